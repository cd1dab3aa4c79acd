/** The global `console`, which writes to the log. */

import { natives } from "./natives.js";

const MAX_DEPTH = 3;

/** The most numbers of a typed array that are shown. */
const MAX_ITEMS = 50;

/** The key of the text by which an object is shown. */
export const SHOWN_AS = Symbol("shown as");

/** Returns a text for a person. A string at depth 0 is not quoted. */
export function show(value, depth = 0, seen = new Set()) {
  if (typeof value === "string") return depth === 0 ? value : JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return `[function ${value.name || "(anonymous)"}]`;
  if (typeof value !== "object" || value === null) return String(value);
  if (typeof value[SHOWN_AS] === "string") return value[SHOWN_AS];
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
    if (value instanceof RegExp) return String(value);
    if (ArrayBuffer.isView(value)) return showView(value);
    if (typeof value.toJSON === "function") return inner(value.toJSON());
    const name = value.constructor?.name;
    const fields = Object.entries(value).map(([key, item]) => `${key}: ${inner(item)}`).join(", ");
    return `${name && name !== "Object" ? `${name} ` : ""}{${fields ? ` ${fields} ` : ""}}`;
  } catch (error) {
    return `[not shown: ${error}]`;
  } finally {
    seen.delete(value);
  }
}

function showView(view) {
  const items = view instanceof DataView ? [] : [...view.subarray(0, MAX_ITEMS)];
  const more = view.length > MAX_ITEMS ? ", …" : "";
  return `${view.constructor.name}(${view.length ?? view.byteLength}) [${items.join(", ")}${more}]`;
}

/** The levels of the log by the name of the method. */
const LEVELS = { trace: 0, debug: 1, log: 2, info: 2, warn: 3, error: 4 };

const INDENTATION = "  ";

/** The most spaces before a line: a group may be left open. */
const MAX_INDENTATION = 40;

/** The most counters and timers that have names. */
const MAX_LABELS = 1000;

let indentation = "";
const counts = new Map();
const starts = new Map();

function write(level, values) {
  const text = format(values);
  natives.log(level, "console", indentation === "" ? text : indentation + text.replaceAll("\n", `\n${indentation}`));
}

/** Joins values. A first string may have places for the others, such as `%s`. */
function format(values) {
  if (typeof values[0] !== "string" || values.length < 2 || !values[0].includes("%")) {
    return values.map((value) => show(value)).join(" ");
  }
  const rest = values.slice(1);
  const text = values[0].replace(/%[sdifoOjc%]/g, (place) => {
    if (place === "%%") return "%";
    if (rest.length === 0) return place;
    const value = rest.shift();
    if (place === "%c") return "";
    if (place === "%d") return String(Number(value));
    if (place === "%i") return String(Math.trunc(Number(value)));
    if (place === "%f") return String(parseFloat(value));
    return show(value);
  });
  return [text, ...rest.map((value) => show(value))].join(" ");
}

/** Writes rows as lines with columns. */
function table(rows, columns) {
  if (typeof rows !== "object" || rows === null) return write(LEVELS.log, [rows]);
  const entries = rows instanceof Map ? [...rows] : Object.entries(rows);
  const isRecord = ([, row]) => typeof row === "object" && row !== null;
  const names = columns ?? [...new Set(entries.filter(isRecord).flatMap(([, row]) => Object.keys(row)))];
  const hasValues = !entries.every(isRecord);
  const cell = (value) => (value === undefined ? "" : show(value, 1).replaceAll("\n", " "));
  const head = ["(index)", ...names.map(String), ...(hasValues ? ["Values"] : [])];
  const lines = entries.map(([key, row]) => {
    const record = isRecord([key, row]);
    const cells = names.map((name) => (record ? cell(row[name]) : ""));
    return [show(key), ...cells, ...(hasValues ? [record ? "" : cell(row)] : [])];
  });
  const widths = head.map((title, index) => Math.max(title.length, ...lines.map((line) => line[index].length)));
  const join = (line) => line.map((text, index) => text.padEnd(widths[index])).join(" | ").trimEnd();
  write(LEVELS.log, [[head, widths.map((width) => "-".repeat(width)), ...lines].map(join).join("\n")]);
}

function setLabel(labels, label, value) {
  if (labels.has(label) || labels.size < MAX_LABELS) labels.set(label, value);
}

function count(label = "default") {
  const number = (counts.get(String(label)) ?? 0) + 1;
  setLabel(counts, String(label), number);
  write(LEVELS.log, [`${label}: ${number}`]);
}

function logTime(label, values) {
  const start = starts.get(String(label));
  if (start === undefined) return write(LEVELS.warn, [`there is no timer ${JSON.stringify(String(label))}`]);
  write(LEVELS.log, [`${label}: ${(performance.now() - start).toFixed(3)} ms`, ...values]);
}

function group(...values) {
  if (values.length > 0) write(LEVELS.log, values);
  if (indentation.length < MAX_INDENTATION) indentation += INDENTATION;
}

export function install() {
  const lines = Object.entries(LEVELS).map(([name, level]) => [name, (...values) => write(level, values)]);
  globalThis.console = {
    ...Object.fromEntries(lines),
    dir: (value) => write(LEVELS.log, [value]),
    table,
    count,
    countReset: (label = "default") => void counts.delete(String(label)),
    time: (label = "default") => setLabel(starts, String(label), performance.now()),
    timeLog: (label = "default", ...values) => logTime(label, values),
    timeEnd: (label = "default") => {
      logTime(label, []);
      starts.delete(String(label));
    },
    group,
    groupCollapsed: group,
    groupEnd: () => void (indentation = indentation.slice(INDENTATION.length)),
    assert: (condition, ...values) => {
      if (!condition) write(LEVELS.error, ["Assertion failed:", ...values]);
    },
  };
}
