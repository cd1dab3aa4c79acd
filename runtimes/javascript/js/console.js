/** The global `console`, which writes to the log. */

import { natives } from "./natives.js";

const MAX_DEPTH = 3;

function show(value, depth = 0, seen = new Set()) {
  if (typeof value === "string") return depth === 0 ? value : JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return `[function ${value.name || "(anonymous)"}]`;
  if (typeof value !== "object" || value === null) return String(value);
  if (value instanceof Error) return `${value.name}: ${value.message}\n${value.stack ?? ""}`.trimEnd();
  if (seen.has(value)) return "[circular]";
  if (depth > MAX_DEPTH) return Array.isArray(value) ? "[…]" : "{…}";
  seen.add(value);
  const inner = (item) => show(item, depth + 1, seen);
  try {
    if (Array.isArray(value)) return `[${value.map(inner).join(", ")}]`;
    if (value instanceof Map) return `Map(${value.size}) {${[...value].map(([k, v]) => `${inner(k)} => ${inner(v)}`).join(", ")}}`;
    if (value instanceof Set) return `Set(${value.size}) {${[...value].map(inner).join(", ")}}`;
    if (value instanceof Date) return value.toISOString();
    const name = value.constructor?.name;
    const fields = Object.entries(value).map(([key, item]) => `${key}: ${inner(item)}`).join(", ");
    return `${name && name !== "Object" ? `${name} ` : ""}{${fields ? ` ${fields} ` : ""}}`;
  } catch (error) {
    return `[not shown: ${error}]`;
  } finally {
    seen.delete(value);
  }
}

export function install() {
  const line = (level) => (...values) => natives.log(level, "console", values.map((value) => show(value)).join(" "));
  globalThis.console = {
    trace: line(0),
    debug: line(1),
    log: line(2),
    info: line(2),
    warn: line(3),
    error: line(4),
    assert: (condition, ...values) => {
      if (!condition) line(4)("Assertion failed:", ...values);
    },
  };
}
