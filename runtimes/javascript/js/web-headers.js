/** `Headers`. */

import { provide } from "./web.js";

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const INVALID_VALUE = /[\0\r\n]|[^\0-\xff]/;

function checkName(name) {
  const text = String(name);
  if (!NAME.test(text)) throw new TypeError(`${JSON.stringify(text)} is not the name of a header`);
  return text.toLowerCase();
}

function checkValue(value) {
  const text = String(value).replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, "");
  if (INVALID_VALUE.test(text)) throw new TypeError(`${JSON.stringify(text)} is not the value of a header`);
  return text;
}

export class Headers {
  /** The values by name in lower case. */
  #values = new Map();

  constructor(init) {
    if (init === undefined || init === null) return;
    if (typeof init !== "object") throw new TypeError("headers are an object, pairs or Headers");
    const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
    for (const [name, value] of pairs) this.append(name, value);
  }

  append(name, value) {
    const key = checkName(name);
    const values = this.#values.get(key);
    if (values === undefined) this.#values.set(key, [checkValue(value)]);
    else values.push(checkValue(value));
  }

  set(name, value) {
    this.#values.set(checkName(name), [checkValue(value)]);
  }

  delete(name) {
    this.#values.delete(checkName(name));
  }

  has(name) {
    return this.#values.has(checkName(name));
  }

  get(name) {
    return this.#values.get(checkName(name))?.join(", ") ?? null;
  }

  getSetCookie() {
    return [...(this.#values.get("set-cookie") ?? [])];
  }

  forEach(callback, self) {
    for (const [name, value] of this) callback.call(self, value, name, this);
  }

  *entries() {
    for (const name of [...this.#values.keys()].sort()) {
      const values = this.#values.get(name);
      if (name === "set-cookie") for (const value of values) yield [name, value];
      else yield [name, values.join(", ")];
    }
  }

  *keys() {
    for (const [name] of this) yield name;
  }

  *values() {
    for (const [, value] of this) yield value;
  }

  [Symbol.iterator]() {
    return this.entries();
  }
}

provide({ Headers });
