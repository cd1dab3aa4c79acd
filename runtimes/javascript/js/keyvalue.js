/** The key-value store: values that outlive connections and versions. Plugins import it as `keyvalue`. */

import { natives } from "./natives.js";

/** The host refuses an operation. `code` is `access-denied`, `invalid-name` or `other`. */
export class KeyValueError extends Error {
  constructor(message, code = "other") {
    super(message);
    this.name = "KeyValueError";
    this.code = code;
  }
}

/** A named collection of keys and values. */
export class Bucket {
  constructor(name) {
    this.name = name;
  }

  /** Returns the bytes of a key, or null. */
  get(key) {
    return call(natives.keyvalueGet, this.name, checkName(key)) ?? null;
  }

  /** Returns the text of a key, or null. */
  getText(key) {
    const value = this.get(key);
    return value === null ? null : natives.decodeUtf8(value, false);
  }

  /** Sets the value of a key: bytes, or a string, which is stored as UTF-8. */
  set(key, value) {
    call(natives.keyvalueSet, this.name, checkName(key), toBytes(value));
  }

  /** Deletes a key, if it is there. */
  delete(key) {
    call(natives.keyvalueDelete, this.name, checkName(key));
  }

  exists(key) {
    return call(natives.keyvalueExists, this.name, checkName(key));
  }

  /** Adds to a whole number of 64 bits and returns the sum. A key without a value counts as 0. */
  increment(key, delta = 1) {
    const number = BigInt(delta);
    if (number !== BigInt.asIntN(64, number)) throw new RangeError("a bucket adds numbers of 64 bits");
    return call(natives.keyvalueIncrement, this.name, checkName(key), number);
  }

  /** Returns all keys, in no particular order. */
  listKeys() {
    const keys = [];
    let cursor;
    do {
      const page = call(natives.keyvalueListKeys, this.name, cursor);
      for (const key of page.keys) keys.push(key);
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
    return keys;
  }
}

/** Returns the bucket with this name, which need not exist before. */
export function open(name) {
  call(natives.keyvalueOpen, checkName(name));
  return new Bucket(name);
}

function checkName(name) {
  if (typeof name !== "string") throw new TypeError("the name of a bucket or a key is a string");
  return name;
}

function toBytes(value) {
  if (typeof value === "string") return natives.encodeUtf8(value.toWellFormed());
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw new TypeError("a value is a string or a Uint8Array");
}

function call(operation, ...values) {
  try {
    return operation(...values);
  } catch (error) {
    throw error.code === undefined ? error : new KeyValueError(error.message, error.code);
  }
}
