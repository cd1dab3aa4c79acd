/** The plugin under test: its time, its versions, its files and its log. */

import { checkText, request } from "./testing-host.js";

const MILLISECONDS = { milliseconds: 1, seconds: 1000, minutes: 60_000, hours: 3_600_000, days: 86_400_000 };

/** Lets time pass: milliseconds, or an object such as `{ seconds: 30 }`. Timers fire in order. */
export function advance(duration) {
  const milliseconds = Math.round(toMilliseconds(duration));
  if (!(milliseconds >= 0 && milliseconds <= Number.MAX_SAFE_INTEGER)) {
    throw new RangeError("advance takes a number of milliseconds that is not negative, or an object such as { seconds: 30 }");
  }
  request("advance", { milliseconds });
}

function toMilliseconds(duration) {
  if (typeof duration !== "object" || duration === null) return typeof duration === "number" ? duration : NaN;
  return Object.entries(duration).reduce((sum, [unit, count]) => sum + count * (MILLISECONDS[unit] ?? NaN), 0);
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
