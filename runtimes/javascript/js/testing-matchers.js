/**
 * The properties of values that assertions check. Each returns `holds`, and the text `expected` for the values that have the
 * property.
 */

import { findDifference } from "./testing-equality.js";
import { quote } from "./testing-message.js";

/** A property for which the arguments of the assertion do not matter. */
const plain = (expected, holds) => (received) => ({ holds: holds(received), expected });

/** A comparison of numbers. */
const compared = (words, holds) => (received, [limit]) => {
  checkKind(limit, ["number", "bigint"], "the limit of the assertion is a number");
  return { holds: ["number", "bigint"].includes(typeof received) && holds(received, limit), expected: `a number ${words} ${quote(limit)}` };
};

/** A comparison of contents. */
const equal = (options, prefix = "") => (received, [expected]) => {
  const found = findDifference(expected, received, options);
  const note =
    found === undefined || found.path === ""
      ? undefined
      : `the first difference is at ${found.path.replace(/^\./, "")}: expected ${quote(found.expected)}, got ${quote(found.received)}`;
  return { holds: found === undefined, expected: `${prefix}${quote(expected)}`, note };
};

export const matchers = {
  toBe(received, [expected]) {
    const holds = Object.is(received, expected);
    const isSimilar = !holds && findDifference(expected, received) === undefined;
    return { holds, expected: quote(expected), note: isSimilar ? "both have the same content: compare it with toEqual" : undefined };
  },
  toEqual: equal({}),
  toStrictEqual: equal({ isStrict: true }),
  toMatchObject: equal({ isSubset: true }, "an object with "),
  toBeNull: plain("null", (received) => received === null),
  toBeUndefined: plain("undefined", (received) => received === undefined),
  toBeDefined: plain("a value other than undefined", (received) => received !== undefined),
  toBeTruthy: plain("a truthy value", Boolean),
  toBeFalsy: plain("a falsy value", (received) => !received),
  toBeNaN: plain("NaN", Number.isNaN),
  toBeGreaterThan: compared("above", (received, limit) => received > limit),
  toBeGreaterThanOrEqual: compared("of at least", (received, limit) => received >= limit),
  toBeLessThan: compared("below", (received, limit) => received < limit),
  toBeLessThanOrEqual: compared("of at most", (received, limit) => received <= limit),
  toBeCloseTo(received, [expected, digits = 2]) {
    const margin = 10 ** -digits / 2;
    return { holds: Math.abs(received - expected) < margin, expected: `a number within ${margin} of ${quote(expected)}` };
  },
  toBeInstanceOf(received, [Class]) {
    checkKind(Class, ["function"], "the argument of toBeInstanceOf is a class");
    return { holds: received instanceof Class, expected: `an instance of ${Class.name}` };
  },
  toContain(received, [item]) {
    const isText = typeof received === "string";
    return { holds: isText ? received.includes(item) : [...itemsOf(received)].includes(item), expected: `a value that contains ${quote(item)}` };
  },
  toContainEqual(received, [item]) {
    const holds = [...itemsOf(received)].some((other) => findDifference(item, other) === undefined);
    return { holds, expected: `a value that contains an item equal to ${quote(item)}` };
  },
  toMatch(received, [pattern]) {
    const holds = typeof received === "string" && hasMatch(received, pattern);
    return { holds, expected: typeof pattern === "string" ? `a string that contains ${quote(pattern)}` : `a string that matches ${quote(pattern)}` };
  },
  toHaveLength(received, [length]) {
    const own = received?.length;
    return { holds: own === length, expected: `the length ${quote(length)}`, got: own === undefined ? "" : `the length ${quote(own)} of` };
  },
  toHaveProperty(received, [path, ...value]) {
    const found = findProperty(received, path);
    const holds = found !== undefined && (value.length === 0 || findDifference(value[0], found.value) === undefined);
    const words = value.length === 0 ? "" : ` that is ${quote(value[0])}`;
    return { holds, expected: `an object with a property ${quote(path)}${words}` };
  },
  toThrow(received, expected, isRejection) {
    const thrown = isRejection ? { error: received } : catchError(received);
    const holds = thrown !== undefined && (expected.length === 0 || isError(thrown.error, expected[0]));
    const words = expected.length === 0 ? "" : ` ${describeError(expected[0])}`;
    const got = thrown === undefined ? "a call that throws nothing" : `the error ${describeThrown(thrown.error)}`;
    return { holds, expected: `an error${words}`, got, hidesValue: true };
  },
};

function checkKind(value, kinds, message) {
  if (!kinds.includes(typeof value)) throw new TypeError(message);
}

function itemsOf(received) {
  return typeof received?.[Symbol.iterator] === "function" ? received : [];
}

function hasMatch(text, pattern) {
  return typeof pattern === "string" ? text.includes(pattern) : new RegExp(pattern).test(text);
}

/** The value of a property by a path such as `rooms.red` or `["rooms", "red"]`. Undefined if it is not there. */
function findProperty(value, path) {
  let found = { value };
  for (const key of Array.isArray(path) ? path : String(path).split(".")) {
    const isThere = found.value !== undefined && found.value !== null && key in Object(found.value);
    if (!isThere) return undefined;
    found = { value: found.value[key] };
  }
  return found;
}

/** What a call throws, or undefined. */
function catchError(call) {
  checkKind(call, ["function"], "expect(…).toThrow needs a function, which it calls: expect(() => …).toThrow()");
  let result;
  try {
    result = call();
  } catch (error) {
    return { error };
  }
  if (typeof result?.then === "function") {
    throw new TypeError("the function returns a promise: use await expect(…).rejects.toThrow()");
  }
  return undefined;
}

const messageOf = (error) => (error instanceof Error ? error.message : String(error));

function isError(error, expected) {
  if (typeof expected === "function") return error instanceof expected;
  if (expected instanceof Error) return messageOf(error) === expected.message;
  return hasMatch(messageOf(error), expected);
}

function describeError(expected) {
  if (typeof expected === "function") return `of the class ${expected.name}`;
  if (expected instanceof Error) return `with the message ${quote(expected.message)}`;
  return `whose message ${typeof expected === "string" ? "contains" : "matches"} ${quote(expected)}`;
}

const describeThrown = (error) => (error instanceof Error ? `${error.name}: ${error.message}` : quote(error));
