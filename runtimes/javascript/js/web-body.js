/** The body of requests and responses. */

import { bytesOf } from "./web-encoding.js";
import { natives } from "./natives.js";
import { URLSearchParams } from "./web-url.js";

/** Returns the bytes of a body and its type of content. */
export function readBody(body) {
  if (body === undefined || body === null) return { bytes: null };
  if (body instanceof URLSearchParams) {
    return { bytes: encode(body), type: "application/x-www-form-urlencoded;charset=UTF-8" };
  }
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return { bytes: bytesOf(body).slice() };
  return { bytes: encode(body), type: "text/plain;charset=UTF-8" };
}

function encode(text) {
  return natives.encodeUtf8(String(text).toWellFormed());
}

let bytesOfBody;

export class Body {
  #bytes;
  #isUsed = false;

  static {
    bytesOfBody = (body) => {
      if (body.#isUsed) throw new TypeError("the body is already read");
      return body.#bytes;
    };
  }

  constructor(bytes) {
    this.#bytes = bytes;
  }

  get bodyUsed() {
    return this.#isUsed;
  }

  #take() {
    const bytes = bytesOfBody(this);
    this.#isUsed = bytes !== null;
    return bytes ?? new Uint8Array();
  }

  async bytes() {
    return this.#take();
  }

  async arrayBuffer() {
    return this.#take().buffer;
  }

  async text() {
    const text = natives.decodeUtf8(this.#take(), false);
    return text.startsWith("\ufeff") ? text.slice(1) : text;
  }

  async json() {
    return JSON.parse(await this.text());
  }
}

/** The bytes of a body that is not read yet: null for no body. */
export { bytesOfBody };
