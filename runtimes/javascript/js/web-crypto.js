/** `crypto`. */

import { natives } from "./natives.js";
import { bytesOf } from "./web-encoding.js";
import { provide } from "./web.js";

const MAX_BYTES = 65_536;

export const crypto = {
  /** Fills an array of integers with random numbers. */
  getRandomValues(array) {
    if (!ArrayBuffer.isView(array) || array instanceof DataView || /Float/.test(array[Symbol.toStringTag])) {
      throw new DOMException("the value is not an array of integers", "TypeMismatchError");
    }
    if (array.byteLength > MAX_BYTES) {
      throw new DOMException(`one call makes at most ${MAX_BYTES} bytes`, "QuotaExceededError");
    }
    bytesOf(array).set(natives.randomBytes(array.byteLength));
    return array;
  },

  /** Returns a random UUID. */
  randomUUID() {
    const bytes = natives.randomBytes(16);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = bytes.toHex();
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
  },
};

provide({ crypto });
