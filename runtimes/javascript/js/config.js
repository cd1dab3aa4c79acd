/**
 * The configuration of the plugin, as it is now. Plugins import it as `config`. The operator may change it while the plugin
 * runs, so that nothing is kept here.
 */

import { natives } from "./natives.js";

/** The most characters of a key that an error shows. */
const MAX_SHOWN = 64;

const BOOLEANS = { true: true, false: false };

/** Returns the value of a key, or the fallback. */
export function get(key, fallback) {
  if (typeof key !== "string") throw new TypeError("a key of the configuration is a string");
  return natives.configGet(key) ?? fallback;
}

/** Returns the value of a key. Throws if there is none. */
export function require(key) {
  const value = get(key);
  if (value === undefined) {
    throw new Error(missingKey(key));
  }
  return value;
}

/** The message for a key without a value. `narrowboat test` writes the name of the plugin in place of NAME. */
function missingKey(key) {
  const name = JSON.stringify(key.slice(0, MAX_SHOWN));
  return (
    `the configuration of the plugin has no value for ${name}: set it in narrowboat.toml below [plugins.NAME.config], ` +
    `as ${name} = "…", or for a secret as ${name} = { env = "VARIABLE" } or { file = "PATH" }; ` +
    `in a test call setConfig({ ${name}: "…" })`
  );
}

export function has(key) {
  return get(key) !== undefined;
}

/** Returns an object with all keys and their values. */
export function all() {
  const values = Object.create(null);
  for (const [key, value] of natives.configAll()) values[key] = value;
  return values;
}

/** Returns `convert(value)`, or the fallback if there is no such key. No error has the value, which may be a secret. */
export function parse(key, convert, fallback) {
  const value = get(key);
  if (value === undefined) return fallback;
  const converted = tryConvert(value, convert);
  if (converted !== undefined && !Number.isNaN(converted)) return converted;
  throw new TypeError(`the value of "${key}" in the configuration of the plugin is not a valid ${convert.name || "value"}`);
}

function tryConvert(value, convert) {
  if (convert === Boolean) return BOOLEANS[value];
  // `Number("")` is 0.
  if (convert === Number && value.trim() === "") return undefined;
  try {
    return convert(value);
  } catch {
    return undefined;
  }
}
