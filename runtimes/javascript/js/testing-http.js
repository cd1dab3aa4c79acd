/** The HTTP requests of the plugin, which the test answers. */

import { natives } from "./natives.js";
import { toFrame } from "./frame.js";
import { checkText, headerPairs, headerRecord, request, toText } from "./testing-host.js";

const isBytes = (value) => value instanceof ArrayBuffer || ArrayBuffer.isView(value);

/** Answers requests to a URL. A URL that ends with `*` is the beginning of one. */
export function respond(url, { method = null, status = 200, headers, body = "", times = null } = {}) {
  const pairs = headerPairs(headers);
  const isJson = typeof body !== "string" && !isBytes(body);
  if (isJson && !pairs.some(([name]) => name === "content-type")) pairs.push(["content-type", "application/json"]);
  const frame = toFrame(body);
  const bytes = typeof frame === "string" ? natives.encodeUtf8(frame) : frame;
  request("respond", { method, url: checkText(url, "a URL"), status, headers: pairs, body: bytes, times });
}

/** Lets requests to a URL fail. */
export function failRequest(url, { method = null, error = "refused", times = null } = {}) {
  request("fail_request", { method, url: checkText(url, "a URL"), error, times });
}

/** Returns the requests that the plugin has sent. */
export function requests() {
  return request("requests").map(({ method, url, headers, body }) => ({
    method,
    url,
    headers: headerRecord(headers),
    body,
    text: toText(body),
  }));
}
