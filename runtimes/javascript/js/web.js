/** The globals of the web platform that QuickJS lacks. The module of a global is evaluated when the global is first used. */

import { natives } from "./natives.js";

const MODULES = {
  "web-abort.js": ["AbortController", "AbortSignal"],
  "web-clone.js": ["structuredClone"],
  "web-crypto.js": ["crypto"],
  "web-encoding.js": ["TextDecoder", "TextEncoder"],
  "web-events.js": ["CustomEvent", "Event", "EventTarget"],
  "web-fetch.js": ["fetch"],
  "web-headers.js": ["Headers"],
  "web-request.js": ["Request", "Response"],
  "web-url.js": ["URL", "URLSearchParams"],
};

const provided = {};

/** Gives globals their values. */
export function provide(values) {
  Object.assign(provided, values);
}

function evaluate(file) {
  natives.evaluateModule(`narrowboat:${file}`);
}

export function install() {
  for (const file in MODULES) {
    for (const name of MODULES[file]) defineGlobal(name, file);
  }
}

function defineGlobal(name, file) {
  const define = (value) => {
    Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
    return value;
  };
  const get = () => {
    if (!(name in provided)) evaluate(file);
    if (!(name in provided)) throw new Error(`${name} cannot be used, because an earlier call was ended while it loaded`);
    return define(provided[name]);
  };
  Object.defineProperty(globalThis, name, { get, set: define, enumerable: false, configurable: true });
}

/** Evaluates the modules of the globals that a text mentions, so that the program gets their bytecode. */
export function preload(text) {
  for (const file in MODULES) {
    if (MODULES[file].some((name) => !(name in provided) && mentions(text, name))) evaluate(file);
  }
}

function mentions(text, name) {
  return text.includes(name) && new RegExp(`\\b${name}\\b`).test(text);
}
