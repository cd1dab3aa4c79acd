/** The plugin under test: its time, its configuration, its versions, its files and its log. */

import { toMilliseconds } from "./duration.js";
import { checkText, request } from "./testing-host.js";

/** Lets time pass: milliseconds, or an object such as `{ seconds: 30 }`. Timers fire in order. */
export function advance(duration) {
  const milliseconds = Math.round(toMilliseconds(duration));
  if (!(milliseconds >= 0 && milliseconds <= Number.MAX_SAFE_INTEGER)) {
    throw new RangeError("advance takes a number of milliseconds that is not negative, or an object such as { seconds: 30 }");
  }
  request("advance", { milliseconds });
}

/** The key under which the host takes a date. */
const DATE = "\0date";

/**
 * Sets keys of the plugin's configuration, which the plugin reads at its next call. Values become texts as those of
 * `[plugins.NAME.config]` do: objects are the tables of TOML, arrays become JSON, and a `Date` is a time of TOML. Null removes
 * a key. The other keys stay as they are: at first as in `narrowboat.toml`. Throws for a key or a value that the table could
 * not have.
 */
export function setConfig(values) {
  if (!isRecord(values)) throw new TypeError('setConfig takes an object with the keys and their values, such as setConfig({ greeting: "hello" })');
  request("set_config", { changes: toWire(values, "config") });
}

function isRecord(value) {
  if (typeof value !== "object" || value === null) return false;
  return [Object.prototype, null].includes(Object.getPrototypeOf(value));
}

/** Returns a value as the host takes it. */
function toWire(value, path) {
  if (value instanceof Date) return { [DATE]: value.toISOString().replace(".000Z", "Z") };
  if (Array.isArray(value)) return value.map((item) => toWire(item, path));
  if (isRecord(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, it]) => [name, toWire(it, `${path}.${name}`)]));
  }
  const isPlain = ["string", "number", "boolean", "bigint"].includes(typeof value);
  if (value === null || isPlain || value instanceof Uint8Array) return value;
  const kind = typeof value === "object" ? (value.constructor?.name ?? "object") : typeof value;
  throw new TypeError(`${path}: a value of the configuration is a string, a number, a boolean, a Date, an array, an object or null, and not ${kind}`);
}

/** A time in ISO 8601 with its zone. */
const ZONED_TIME = /^[+-]?\d{4,6}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/;

/** Sets the wall clock without letting time pass: a date, a text in ISO 8601 with a time zone, or milliseconds since 1970. */
export function setTime(time) {
  if (typeof time === "string" && !ZONED_TIME.test(time)) {
    throw new RangeError(`${JSON.stringify(time)} is not a time in ISO 8601 with a time zone; write for example "2026-03-28T12:00:00+01:00"`);
  }
  const milliseconds = new Date(time).getTime();
  if (!(milliseconds >= 0)) {
    throw new RangeError('setTime takes a date, a text such as "2026-03-28T12:00:00+01:00", or milliseconds since 1970');
  }
  request("set_time", { timestamp: milliseconds / 1000 });
}

/**
 * Makes another version live. `files` has the new texts of files by path, and null for a file that it has no more. Without
 * files, the same code is deployed again. Throws if the host refuses the version.
 */
export function swap(files = null) {
  const { version, moved } = request("swap", { files, component: null });
  return { version, moved };
}

/** Returns the text of a file of the plugin. */
export function readFile(path) {
  const content = request("read_file", { path: checkText(path, "the path of a file") });
  if (typeof content !== "string") throw new TypeError(`${path} is not a text in UTF-8`);
  return content;
}

/** Returns what the plugin has logged since the test began. */
export function logs() {
  return request("logs").map(({ level, message, context }) => ({ level, message, context }));
}

/** Returns the faults of the plugin since the test began. */
export function faults() {
  return request("faults");
}
