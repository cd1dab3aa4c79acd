/** The buckets of the plugin, as its key-value store has them. */

import { natives } from "./natives.js";
import { checkText, request, toText } from "./testing-host.js";

const toBytes = (value) => {
  if (typeof value === "string") return natives.encodeUtf8(value.toWellFormed());
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw new TypeError("a value is a string or a Uint8Array");
};

/** A named collection of keys and values. */
export class Bucket {
  constructor(name) {
    this.name = checkText(name, "the name of a bucket");
  }

  #request(op, key, fields) {
    return request(op, { bucket: this.name, key: checkText(key, "a key"), ...fields });
  }

  /** Returns the bytes of a key, or null. */
  get(key) {
    return this.#request("keyvalue_get", key);
  }

  /** Returns the text of a key, or null. */
  getText(key) {
    const value = this.get(key);
    return value === null ? null : toText(value);
  }

  /** Sets the value of a key: bytes, or a string, which is stored as UTF-8. */
  set(key, value) {
    this.#request("keyvalue_set", key, { value: toBytes(value) });
  }

  delete(key) {
    this.#request("keyvalue_delete", key);
  }

  exists(key) {
    return this.get(key) !== null;
  }

  /** Returns all keys, in no particular order. */
  listKeys() {
    return request("keyvalue_keys", { bucket: this.name });
  }
}

/** Returns the bucket with this name, which need not exist before. */
export function open(name) {
  return new Bucket(name);
}
