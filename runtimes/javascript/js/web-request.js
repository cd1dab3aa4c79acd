/** `Request` and `Response`. */

import { Body, bytesOfBody, readBody } from "./web-body.js";
import { Headers } from "./web-headers.js";
import { URL } from "./web-url.js";
import { provide } from "./web.js";

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const NORMALIZED_METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"];
const STATUSES_WITHOUT_BODY = [101, 204, 205, 304];
const REDIRECT_STATUSES = [301, 302, 303, 307, 308];

function checkMethod(method) {
  const text = String(method);
  if (!TOKEN.test(text)) throw new TypeError(`${JSON.stringify(text)} is not a method of HTTP`);
  const upper = text.toUpperCase();
  return NORMALIZED_METHODS.includes(upper) ? upper : text;
}

function makeHeaders(init, type) {
  const headers = new Headers(init);
  if (type !== undefined && !headers.has("content-type")) headers.set("content-type", type);
  return headers;
}

export class Request extends Body {
  #url;
  #method;
  #headers;
  #signal;
  #redirect;

  constructor(input, init) {
    const options = init ?? {};
    const other = input instanceof Request ? input : undefined;
    const method = checkMethod(options.method ?? other?.method ?? "GET");
    const { bytes, type } = options.body != null || other === undefined ? readBody(options.body) : { bytes: bytesOfBody(other) };
    if (bytes !== null && (method === "GET" || method === "HEAD")) {
      throw new TypeError(`a request with the method ${method} has no body`);
    }
    super(bytes);
    this.#url = other?.url ?? new URL(input).href;
    this.#method = method;
    this.#headers = makeHeaders(options.headers ?? other?.headers, type);
    this.#signal = options.signal ?? other?.signal ?? null;
    this.#redirect = options.redirect ?? other?.redirect ?? "follow";
  }

  get url() {
    return this.#url;
  }

  get method() {
    return this.#method;
  }

  get headers() {
    return this.#headers;
  }

  get signal() {
    return this.#signal;
  }

  get redirect() {
    return this.#redirect;
  }

  clone() {
    return new Request(this);
  }
}

let makeResponse;

export class Response extends Body {
  #status;
  #statusText;
  #headers;
  #url = "";
  #isRedirected = false;
  #type = "default";

  static {
    makeResponse = ({ status, headers, body }, url, isRedirected) => {
      const response = new Response(STATUSES_WITHOUT_BODY.includes(status) ? null : body, { headers });
      response.#status = status;
      response.#url = url;
      response.#isRedirected = isRedirected;
      response.#type = "basic";
      return response;
    };
  }

  constructor(body = null, { status = 200, statusText = "", headers } = {}) {
    const code = Number(status);
    if (!(code >= 200 && code <= 599)) throw new RangeError("the status of a response is from 200 to 599");
    const { bytes, type } = readBody(body);
    if (bytes !== null && STATUSES_WITHOUT_BODY.includes(code)) {
      throw new TypeError(`a response with the status ${code} has no body`);
    }
    super(bytes);
    this.#status = Math.trunc(code);
    this.#statusText = String(statusText);
    this.#headers = makeHeaders(headers, type);
  }

  static json(data, init = {}) {
    const headers = makeHeaders(init.headers, "application/json");
    return new Response(JSON.stringify(data), { ...init, headers });
  }

  static redirect(url, status = 302) {
    if (!REDIRECT_STATUSES.includes(status)) throw new RangeError(`${status} is not the status of a redirection`);
    return new Response(null, { status, headers: { location: new URL(url).href } });
  }

  get status() {
    return this.#status;
  }

  get statusText() {
    return this.#statusText;
  }

  get ok() {
    return this.#status >= 200 && this.#status <= 299;
  }

  get headers() {
    return this.#headers;
  }

  get url() {
    return this.#url;
  }

  get redirected() {
    return this.#isRedirected;
  }

  get type() {
    return this.#type;
  }

  clone() {
    const response = new Response(bytesOfBody(this), { statusText: this.#statusText, headers: this.#headers });
    response.#status = this.#status;
    response.#url = this.#url;
    response.#isRedirected = this.#isRedirected;
    response.#type = this.#type;
    return response;
  }
}

/** Returns the response to a request that was sent. */
export { makeResponse };

/** Whether a status is one of a redirection. */
export const isRedirection = (status) => REDIRECT_STATUSES.includes(status);

provide({ Request, Response });
