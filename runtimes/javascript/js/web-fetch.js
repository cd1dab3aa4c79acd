/** `fetch`. The instance waits for the response, with all of its connections. The host serves others meanwhile. */

import { natives } from "./natives.js";
import { deadlineOf } from "./web-abort.js";
import { bytesOfBody } from "./web-body.js";
import { Headers } from "./web-headers.js";
import { isRedirection, makeResponse, Request } from "./web-request.js";
import { URL } from "./web-url.js";
import { provide } from "./web.js";

const MAX_REDIRECTIONS = 20;
const BODY_HEADERS = ["content-encoding", "content-language", "content-location", "content-type", "content-length"];

export async function fetch(input, init) {
  const request = makeRequest(input, init);
  const deadline = Math.min(deadlineOfRequest(request), Date.now() + Number(init?.timeout ?? Infinity));
  request.signal?.throwIfAborted();
  const { redirect } = request;
  let { url, method } = request;
  const headers = new Headers(request.headers);
  let body = bytesOfBody(request) ?? new Uint8Array();
  for (let count = 0; count <= MAX_REDIRECTIONS; count++) {
    const answer = send(method, url, headers, body, deadline);
    const location = isRedirection(answer.status) ? locationOf(answer) : undefined;
    if (location === undefined || redirect === "manual") return makeResponse(answer, url, count > 0);
    if (redirect === "error") throw failure("other", `${url} redirects to ${location}`);
    const next = new URL(location, url);
    if (next.origin !== new URL(url).origin) headers.delete("authorization");
    if (answer.status === 303 ? method !== "HEAD" : answer.status < 303 && method === "POST") {
      method = "GET";
      body = new Uint8Array();
      for (const name of BODY_HEADERS) headers.delete(name);
    }
    url = next.href;
  }
  throw failure("other", `the request was redirected more than ${MAX_REDIRECTIONS} times`);
}

function makeRequest(input, init) {
  try {
    return new Request(input, init);
  } catch (error) {
    throw error instanceof TypeError ? failure("invalid-request", error.message) : error;
  }
}

function deadlineOfRequest(request) {
  return request.signal === null ? Infinity : deadlineOf(request.signal);
}

function locationOf(answer) {
  return answer.headers.find(([name]) => name === "location")?.[1];
}

/** An error with a code: `invalid-request`, `denied`, `too-large` or `other`. */
function failure(code, message) {
  return Object.assign(new TypeError(message), { code });
}

function send(method, url, headers, body, deadline) {
  const timeout = deadline === Infinity ? undefined : Math.max(0, deadline - Date.now());
  try {
    return natives.httpSend(method, url, [...headers], body, timeout);
  } catch (error) {
    if (error.code === "timed-out") throw new DOMException(error.message, "TimeoutError");
    throw error.code === undefined ? error : failure(error.code, error.message);
  }
}

provide({ fetch });
