/** The buckets of the plugin, as its key-value store has them. */

import { toTimeToLive } from "./duration.js";
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

  /** Sets the value of a key: bytes, or a string, which is stored as UTF-8. With `ttl` it expires as time passes. */
  set(key, value, { ttl } = {}) {
    this.#request("keyvalue_set", key, { value: toBytes(value), ttl: ttl === undefined ? null : toTimeToLive(ttl) });
  }

  delete(key) {
    this.#request("keyvalue_delete", key);
  }

  exists(key) {
    return this.get(key) !== null;
  }

  /** Adds to a whole number and returns the sum. */
  increment(key, delta = 1) {
    return this.#request("keyvalue_increment", key, { delta: Number(delta) });
  }

  /** Sets the value if the key has the expected one; null stands for no such key. Returns whether it did. */
  compareAndSet(key, expected, value) {
    const bytes = expected === null ? null : toBytes(expected);
    return this.#request("keyvalue_compare_and_set", key, { expected: bytes, value: toBytes(value) });
  }

  /** Sets the value to what `change` makes of the bytes of the key, or of null. Returns the result of `change`. */
  update(key, change) {
    const old = this.get(key);
    const result = change(old);
    if (!this.compareAndSet(key, old, result)) throw new Error(`the value of ${key} has changed meanwhile`);
    return result;
  }

  /** Returns a Map with the bytes of those keys that are there. */
  getMany(keys) {
    return new Map(Array.from(keys, (key) => [key, this.get(key)]).filter(([, value]) => value !== null));
  }

  /** Sets the values of a record, of a Map or of pairs. */
  setMany(entries) {
    const pairs = typeof entries[Symbol.iterator] === "function" ? entries : Object.entries(entries);
    for (const [key, value] of pairs) this.set(key, value);
  }

  deleteMany(keys) {
    for (const key of keys) this.delete(key);
  }

  /** Returns the milliseconds that a key has left, Infinity if it has no end, or null if there is no such key. */
  ttl(key) {
    const left = this.#request("keyvalue_ttl", key);
    return left === null ? null : (left.milliseconds ?? Infinity);
  }

  /** Changes the time to live of a key; null removes it. Returns whether there is such a key. */
  setTtl(key, ttl) {
    return this.#request("keyvalue_set_ttl", key, { ttl: ttl === null ? null : toTimeToLive(ttl) });
  }

  /** Returns the keys that begin with a prefix. */
  listKeys(prefix = "") {
    return request("keyvalue_keys", { bucket: this.name, prefix });
  }
}

/** Returns the bucket with this name, which need not exist before. */
export function open(name) {
  return new Bucket(name);
}
