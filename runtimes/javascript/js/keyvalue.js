/** The key-value store: values that outlive connections and versions. Plugins import it as `keyvalue`. */

import { toTimeToLive } from "./duration.js";
import { natives } from "./natives.js";

/** The keys of a page. */
const PAGE_KEYS = 1000;

/** The host refuses an operation. `code` is `access-denied`, `invalid-name`, `unavailable` or `other`. */
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

  /**
   * Sets the value of a key: bytes, or a string, which is stored as UTF-8. With `ttl` the key is deleted after this time.
   */
  set(key, value, { ttl } = {}) {
    if (ttl === undefined) call(natives.keyvalueSet, this.name, checkName(key), toBytes(value));
    else call(natives.keyvalueSetWithTtl, this.name, checkName(key), toBytes(value), toTimeToLive(ttl));
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

  /** Sets the value if the key has the expected one; null stands for no such key. Returns whether it did. */
  compareAndSet(key, expected, value) {
    const bytes = expected === null ? null : toBytes(expected);
    return call(natives.keyvalueCompareAndSet, this.name, checkName(key), bytes, toBytes(value));
  }

  /**
   * Sets the value to what `change` makes of the bytes of the key, or of null. If another writer changes the value meanwhile,
   * `change` is called again. Returns the last result of `change`.
   */
  update(key, change) {
    let result, thrown;
    const step = (old) => {
      try {
        result = change(old ?? null);
      } catch (error) {
        thrown = { error };
        throw error;
      }
      return toBytes(result);
    };
    try {
      natives.keyvalueUpdate(this.name, checkName(key), step);
    } catch (error) {
      throw thrown === undefined ? toKeyValueError(error) : thrown.error;
    }
    return result;
  }

  /** Returns a Map with the bytes of those keys that are there. */
  getMany(keys) {
    const names = Array.from(keys, checkName);
    const values = call(natives.keyvalueGetMany, this.name, names);
    return new Map(names.map((name, at) => [name, values[at]]).filter(([, value]) => value !== undefined && value !== null));
  }

  /** Sets the values of a record, of a Map or of pairs: all of them, or none. */
  setMany(entries) {
    const pairs = typeof entries[Symbol.iterator] === "function" ? [...entries] : Object.entries(entries);
    const [keys, values] = [pairs.map(([key]) => checkName(key)), pairs.map(([, value]) => toBytes(value))];
    call(natives.keyvalueSetMany, this.name, keys, values);
  }

  deleteMany(keys) {
    call(natives.keyvalueDeleteMany, this.name, Array.from(keys, checkName));
  }

  /** Returns the milliseconds that a key has left, Infinity if it has no end, or null if there is no such key. */
  ttl(key) {
    return call(natives.keyvalueTtl, this.name, checkName(key)) ?? null;
  }

  /** Changes the time to live of a key; null removes it. Returns whether there is such a key. */
  setTtl(key, ttl) {
    return call(natives.keyvalueSetTtl, this.name, checkName(key), ttl === null ? null : toTimeToLive(ttl));
  }

  /** Returns the keys that begin with a prefix, in no particular order. */
  listKeys(prefix = "") {
    return [...this.keys(prefix)];
  }

  /** Yields the keys that begin with a prefix, and asks for one page at a time. */
  *keys(prefix = "") {
    let cursor = null;
    do {
      const page = this.listPage(prefix, { cursor });
      yield* page.keys;
      cursor = page.cursor;
    } while (cursor !== null);
  }

  /** Returns about `limit` keys that begin with a prefix, and the cursor of the next page or null. A page may be empty. */
  listPage(prefix = "", { cursor = null, limit = PAGE_KEYS } = {}) {
    const most = Math.min(Math.max(1, Math.floor(Number(limit)) || 1), PAGE_KEYS);
    const page = call(natives.keyvalueListPage, this.name, checkName(prefix), cursor, most);
    return { keys: page.keys, cursor: page.cursor ?? null };
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
    throw toKeyValueError(error);
  }
}

function toKeyValueError(error) {
  return error?.code === undefined ? error : new KeyValueError(error.message, error.code);
}
