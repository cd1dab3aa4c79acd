/** `structuredClone`. */

import { provide } from "./web.js";

const ERRORS = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

function cannotClone(what) {
  return new DOMException(`${what} cannot be cloned`, "DataCloneError");
}

/** Copies a value with everything that it refers to. Values that are the same object stay the same. */
export function structuredClone(value, { transfer = [] } = {}) {
  const clone = copy(value, new Map());
  for (const buffer of transfer) {
    if (!(buffer instanceof ArrayBuffer)) throw cannotClone("a value that is not an ArrayBuffer");
    buffer.transfer(0);
  }
  return clone;
}

function copy(value, known) {
  if (typeof value === "symbol") throw cannotClone(String(value));
  if (typeof value === "function") throw cannotClone(`the function ${value.name || "(anonymous)"}`);
  if (typeof value !== "object" || value === null) return value;
  const made = known.get(value);
  if (made !== undefined) return made;
  return copyObject(value, known);
}

function copyObject(value, known) {
  const keep = (clone) => {
    known.set(value, clone);
    return clone;
  };
  if (Array.isArray(value)) {
    const clone = keep(new Array(value.length));
    return copyFields(value, clone, known);
  }
  if (ArrayBuffer.isView(value)) return keep(copyView(value, known));
  switch (kindOf(value)) {
    case "Map": {
      const clone = keep(new Map());
      for (const [key, item] of [...value]) clone.set(copy(key, known), copy(item, known));
      return clone;
    }
    case "Set": {
      const clone = keep(new Set());
      for (const item of [...value]) clone.add(copy(item, known));
      return clone;
    }
    case "Date":
      return keep(new Date(value.getTime()));
    case "RegExp":
      return keep(new RegExp(value.source, value.flags));
    case "ArrayBuffer":
      return keep(value.slice(0));
    case "Error":
      return copyError(value, keep, known);
    case "wrapper":
      return keep(Object(value.valueOf()));
    case "other":
      throw cannotClone(`a ${value.constructor?.name ?? "value"}`);
    default:
      return copyFields(value, keep({}), known);
  }
}

function kindOf(value) {
  if (value instanceof Map) return "Map";
  if (value instanceof Set) return "Set";
  if (value instanceof Date) return "Date";
  if (value instanceof RegExp) return "RegExp";
  if (value instanceof ArrayBuffer) return "ArrayBuffer";
  if (value instanceof Error) return "Error";
  if (value instanceof Number || value instanceof String || value instanceof Boolean || value instanceof BigInt) return "wrapper";
  const others = [WeakMap, WeakSet, WeakRef, Promise, Symbol];
  return others.some((Other) => value instanceof Other) ? "other" : "object";
}

function copyFields(value, clone, known) {
  for (const key of Object.keys(value)) {
    const item = copy(value[key], known);
    // An assignment to `__proto__` would set the prototype.
    Object.defineProperty(clone, key, { value: item, writable: true, enumerable: true, configurable: true });
  }
  return clone;
}

function copyView(view, known) {
  const buffer = copy(view.buffer, known);
  if (view instanceof DataView) return new DataView(buffer, view.byteOffset, view.byteLength);
  const Class = globalThis[view[Symbol.toStringTag]];
  return new Class(buffer, view.byteOffset, view.length);
}

function copyError(value, keep, known) {
  const Class = Object.hasOwn(ERRORS, value.name) ? ERRORS[value.name] : Error;
  const clone = keep(new Class(value.message));
  const define = (key, item) => Object.defineProperty(clone, key, { value: item, writable: true, enumerable: false, configurable: true });
  define("stack", String(value.stack));
  if (Object.hasOwn(value, "cause")) define("cause", copy(value.cause, known));
  return clone;
}

provide({ structuredClone });
