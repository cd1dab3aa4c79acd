/** Values of assertions that stand for many values, such as `expect.any(Number)`. */

import { findDifference } from "./testing-equality.js";
import { quote } from "./testing-message.js";
import { Pattern } from "./testing-pattern.js";

/** The classes of primitive values by their `typeof`. */
const PRIMITIVES = { number: Number, string: String, boolean: Boolean, bigint: BigInt, symbol: Symbol, function: Function };

const isOf = (value, Class) => PRIMITIVES[typeof value] === Class || value instanceof Class;

const isEqual = (expected, received, options) => findDifference(expected, received, options) === undefined;

export const patterns = {
  any: (Class) => new Pattern(`any ${Class.name}`, (value) => isOf(value, Class)),
  anything: () => new Pattern("anything", (value) => value !== undefined && value !== null),
  stringContaining: (part) =>
    new Pattern(`a string that contains ${quote(part)}`, (value) => typeof value === "string" && value.includes(part)),
  stringMatching: (pattern) =>
    new Pattern(`a string that matches ${quote(pattern)}`, (value) => typeof value === "string" && new RegExp(pattern).test(value)),
  objectContaining: (part) =>
    new Pattern(`an object that contains ${quote(part)}`, (value) => isEqual(part, value, { isSubset: true })),
  arrayContaining: (items) =>
    new Pattern(
      `an array that contains ${quote(items)}`,
      (value) => Array.isArray(value) && items.every((item) => value.some((other) => isEqual(item, other))),
    ),
};
