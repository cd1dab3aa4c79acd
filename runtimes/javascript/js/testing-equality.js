/** Compares values by their content. */

import { Pattern } from "./testing-pattern.js";

/**
 * Finds the first difference between two values: the path of the place, and both values there. Undefined if they are equal.
 *
 * With `isSubset`, an object may have properties that the expected one lacks. With `isStrict`, prototypes have to be the same,
 * and a property that is undefined is not one that is missing.
 */
export function findDifference(expected, received, { isSubset = false, isStrict = false } = {}) {
  return new Comparison(isSubset, isStrict).compare(expected, received, "");
}

class Comparison {
  /** The objects that are compared now, so that an object which contains itself has an end. */
  #open = new Map();

  constructor(isSubset, isStrict) {
    this.isSubset = isSubset;
    this.isStrict = isStrict;
  }

  compare(expected, received, path) {
    const differ = { path, expected, received };
    if (expected instanceof Pattern) return expected.matches(received) ? undefined : differ;
    if (Object.is(expected, received)) return undefined;
    if (!isComparable(expected) || !isComparable(received) || kindOf(expected) !== kindOf(received)) return differ;
    if (this.isStrict && Object.getPrototypeOf(expected) !== Object.getPrototypeOf(received)) return differ;
    if (this.#open.get(expected) === received) return undefined;
    this.#open.set(expected, received);
    try {
      const content = CONTENTS[kindOf(expected)];
      return content === undefined ? this.#properties(expected, received, path) : content(this, expected, received, differ);
    } finally {
      this.#open.delete(expected);
    }
  }

  #properties(expected, received, path) {
    for (const key of this.#keys(expected, received)) {
      const place = `${path}${typeof key === "symbol" ? `[${String(key)}]` : `.${key}`}`;
      if (this.isStrict && Object.hasOwn(expected, key) !== Object.hasOwn(received, key)) {
        return { path: place, expected: expected[key], received: received[key] };
      }
      const found = this.compare(expected[key], received[key], place);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #keys(expected, received) {
    const keys = ownKeys(expected);
    return this.isSubset ? keys : new Set([...keys, ...ownKeys(received)]);
  }

  items(expected, received, differ) {
    if (expected.length !== received.length) return differ;
    for (let index = 0; index < expected.length; index += 1) {
      const found = this.compare(expected[index], received[index], `${differ.path}[${index}]`);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  isEqual(expected, received) {
    return this.compare(expected, received, "") === undefined;
  }
}

/** Whether two values of a kind have the same content, by the kind. Objects of other kinds have properties. */
const CONTENTS = {
  Array: (comparison, expected, received, differ) => comparison.items(expected, received, differ),
  Bytes: (comparison, expected, received, differ) => comparison.items(bytesOf(expected), bytesOf(received), differ),
  Date: (_, expected, received, differ) => (Object.is(expected.getTime(), received.getTime()) ? undefined : differ),
  RegExp: (_, expected, received, differ) => (String(expected) === String(received) ? undefined : differ),
  Error: (_, expected, received, differ) =>
    expected.name === received.name && expected.message === received.message ? undefined : differ,
  Text: (_, expected, received, differ) => (expected.toJSON() === received.toJSON() ? undefined : differ),
  Map: compareMaps,
  Set: compareSets,
  Iterable: (comparison, expected, received, differ) => comparison.items([...expected], [...received], differ),
};

/** Calls, symbols and promises have no content that can be compared. */
const isComparable = (value) => typeof value === "object" && value !== null && !(value instanceof Promise);

function kindOf(value) {
  if (Array.isArray(value)) return "Array";
  if (value instanceof Map) return "Map";
  if (value instanceof Set) return "Set";
  if (value instanceof Date) return "Date";
  if (value instanceof RegExp) return "RegExp";
  if (value instanceof Error) return "Error";
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return "Bytes";
  if (value instanceof URL) return "Text";
  return typeof value[Symbol.iterator] === "function" ? "Iterable" : "Object";
}

function bytesOf(value) {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return value instanceof DataView ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : value;
}

function ownKeys(value) {
  return Reflect.ownKeys(value).filter((key) => Object.prototype.propertyIsEnumerable.call(value, key));
}

function compareMaps(comparison, expected, received, differ) {
  if (expected.size !== received.size) return differ;
  for (const [key, value] of expected) {
    const [, other] = [...received].find(([each]) => comparison.isEqual(key, each)) ?? [];
    const found = comparison.compare(value, other, `${differ.path}.get(${String(key)})`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function compareSets(comparison, expected, received, differ) {
  if (expected.size !== received.size) return differ;
  const others = [...received];
  return [...expected].every((value) => others.some((other) => comparison.isEqual(value, other))) ? undefined : differ;
}
