/** The requests to the host of the tests. */

import { natives } from "./natives.js";

let isOpen = false;

/** Lets requests reach the host, while a test runs. */
export function setHostOpen(open) {
  isOpen = open;
}

/** Sends a request and returns the value of the response. Throws the error of the host. */
export function request(op, fields = {}) {
  if (!isOpen) throw new Error("there is a host only while a test runs: call this in a test or in beforeEach");
  const { ok, error } = natives.callTestHost({ op, ...fields });
  if (error !== undefined && error !== null) throw new Error(error);
  return ok ?? null;
}

/** Pairs of names and values, from a record or from pairs. */
export function headerPairs(headers) {
  if (headers === undefined || headers === null) return [];
  const pairs = typeof headers[Symbol.iterator] === "function" ? [...headers] : Object.entries(headers);
  return pairs.map(([name, value]) => [String(name).toLowerCase(), String(value)]);
}

/** The values by name in lower case. Several values of a name are joined with a comma. */
export function headerRecord(pairs) {
  const record = {};
  for (const [name, value] of pairs ?? []) {
    const key = name.toLowerCase();
    const text = toText(value);
    record[key] = Object.hasOwn(record, key) ? `${record[key]}, ${text}` : text;
  }
  return record;
}

/** The text of bytes in UTF-8. */
export function toText(value) {
  return typeof value === "string" ? value : natives.decodeUtf8(value ?? new Uint8Array(), false);
}

/** Checks that an argument is a string that is not empty. */
export function checkText(value, what) {
  if (typeof value !== "string" || value === "") throw new TypeError(`${what} is a string that is not empty`);
  return value;
}
