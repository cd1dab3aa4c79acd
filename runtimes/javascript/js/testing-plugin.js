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

/**
 * Sets keys of the plugin's configuration, which the plugin reads at its next call. Values may be objects, as the tables of
 * TOML. Null removes a key. The other keys stay as they are: at first as in `narrowboat.toml`.
 */
export function setConfig(values) {
  request("set_config", { changes: Object.fromEntries(flatten(values, "")) });
}

function* flatten(values, prefix) {
  for (const [name, value] of Object.entries(values)) {
    if (typeof value === "object" && value !== null) {
      yield* flatten(value, `${prefix}${name}.`);
    } else if (value === null || ["string", "number", "boolean"].includes(typeof value)) {
      yield [prefix + name, value === null ? null : String(value)];
    } else {
      throw new TypeError(`a value of the configuration is a string, a number or a boolean, and not ${typeof value}`);
    }
  }
}

/** Sets the wall clock without letting time pass: a date, a text in ISO 8601, or milliseconds since 1970. */
export function setTime(time) {
  const milliseconds = new Date(time).getTime();
  if (!(milliseconds >= 0)) {
    throw new RangeError('setTime takes a date, a text such as "2026-03-28T12:00:00Z", or milliseconds since 1970');
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
