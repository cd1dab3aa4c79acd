/** `TextEncoder` and `TextDecoder`. */

import { natives } from "./natives.js";
import { provide } from "./web.js";

/** The characters of the bytes 0x80 to 0x9F in windows-1252. */
const WINDOWS_1252 = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";

const UTF_8_LABELS = ["utf-8", "utf8", "unicode-1-1-utf-8"];
const WINDOWS_1252_LABELS = ["windows-1252", "latin1", "iso-8859-1", "iso8859-1", "l1", "ascii", "us-ascii", "cp1252"];

/** Returns the bytes of a buffer or of a view, not copied. */
export function bytesOf(data) {
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  throw new TypeError("the value is not an ArrayBuffer or a view of one");
}

export class TextEncoder {
  get encoding() {
    return "utf-8";
  }

  encode(text = "") {
    return natives.encodeUtf8(String(text).toWellFormed());
  }

  /** Writes as many characters as the array has space for. */
  encodeInto(text, target) {
    let read = 0;
    let written = 0;
    for (const character of String(text).toWellFormed()) {
      const size = encodedSize(character.codePointAt(0));
      if (written + size > target.length) break;
      written += size;
      read += character.length;
    }
    target.set(this.encode(text.slice(0, read)));
    return { read, written };
  }
}

function encodedSize(point) {
  if (point < 0x80) return 1;
  if (point < 0x800) return 2;
  return point < 0x10000 ? 3 : 4;
}

export class TextDecoder {
  #encoding;
  #fatal;
  #ignoreBOM;
  #pending = new Uint8Array();
  #isInText = false;

  constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
    const name = String(label).trim().toLowerCase();
    if (UTF_8_LABELS.includes(name)) this.#encoding = "utf-8";
    else if (WINDOWS_1252_LABELS.includes(name)) this.#encoding = "windows-1252";
    else throw new RangeError(`the encoding ${JSON.stringify(label)} is not supported: use "utf-8" or "latin1"`);
    this.#fatal = Boolean(fatal);
    this.#ignoreBOM = Boolean(ignoreBOM);
  }

  get encoding() {
    return this.#encoding;
  }

  get fatal() {
    return this.#fatal;
  }

  get ignoreBOM() {
    return this.#ignoreBOM;
  }

  decode(data, { stream = false } = {}) {
    let bytes = data === undefined ? new Uint8Array() : bytesOf(data);
    if (this.#encoding !== "utf-8") return decodeWindows1252(bytes);
    if (this.#pending.length > 0) bytes = joined(this.#pending, bytes);
    const end = stream ? bytes.length - incompleteLength(bytes) : bytes.length;
    this.#pending = bytes.slice(end);
    const text = natives.decodeUtf8(bytes.subarray(0, end), this.#fatal);
    const isAtStart = !this.#isInText;
    this.#isInText = stream && (this.#isInText || end > 0);
    return isAtStart && !this.#ignoreBOM && text.startsWith("\ufeff") ? text.slice(1) : text;
  }
}

function joined(first, second) {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

/** The length of a character at the end whose bytes are not all there. */
function incompleteLength(bytes) {
  for (let length = 1; length <= Math.min(3, bytes.length); length++) {
    const byte = bytes[bytes.length - length];
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return needed > length ? length : 0;
  }
  return 0;
}

function decodeWindows1252(bytes) {
  let text = "";
  for (const byte of bytes) text += byte >= 0x80 && byte < 0xa0 ? WINDOWS_1252[byte - 0x80] : String.fromCharCode(byte);
  return text;
}

provide({ TextDecoder, TextEncoder });
