/** `URL` and `URLSearchParams`. */

import { natives } from "./natives.js";
import { provide } from "./web.js";

/** The places of the parts in what the host's side returns. */
const HREF = 0;
const ORIGIN = 1;
const PROTOCOL = 2;
const USERNAME = 3;
const PASSWORD = 4;
const HOST = 5;
const HOSTNAME = 6;
const PORT = 7;
const PATHNAME = 8;
const SEARCH = 9;
const HASH = 10;

const toText = (value) => String(value).toWellFormed();

export class URL {
  #parts;
  #searchParams;

  constructor(url, base) {
    this.#parts = parse(url, base);
    if (this.#parts === null) throw invalidURL(url, base);
  }

  static canParse(url, base) {
    return parse(url, base) !== null;
  }

  static parse(url, base) {
    return URL.canParse(url, base) ? new URL(url, base) : null;
  }

  #set(part, value) {
    this.#parts = natives.urlSet(this.#parts[HREF], part, toText(value));
    if (part === "search") this.#refresh();
  }

  #refresh() {
    if (this.#searchParams !== undefined) resetParams(this.#searchParams, this.#parts[SEARCH]);
  }

  get href() {
    return this.#parts[HREF];
  }

  set href(value) {
    const parts = parse(value);
    if (parts === null) throw invalidURL(value);
    this.#parts = parts;
    this.#refresh();
  }

  get origin() {
    return this.#parts[ORIGIN];
  }

  get protocol() {
    return this.#parts[PROTOCOL];
  }

  set protocol(value) {
    this.#set("protocol", value);
  }

  get username() {
    return this.#parts[USERNAME];
  }

  set username(value) {
    this.#set("username", value);
  }

  get password() {
    return this.#parts[PASSWORD];
  }

  set password(value) {
    this.#set("password", value);
  }

  get host() {
    return this.#parts[HOST];
  }

  set host(value) {
    this.#set("host", value);
  }

  get hostname() {
    return this.#parts[HOSTNAME];
  }

  set hostname(value) {
    this.#set("hostname", value);
  }

  get port() {
    return this.#parts[PORT];
  }

  set port(value) {
    this.#set("port", value);
  }

  get pathname() {
    return this.#parts[PATHNAME];
  }

  set pathname(value) {
    this.#set("pathname", value);
  }

  get search() {
    return this.#parts[SEARCH];
  }

  set search(value) {
    this.#set("search", value);
  }

  get hash() {
    return this.#parts[HASH];
  }

  set hash(value) {
    this.#set("hash", value);
  }

  get searchParams() {
    return (this.#searchParams ??= paramsOf(this.#parts[SEARCH], (text) => {
      this.#parts = natives.urlSet(this.#parts[HREF], "search", text);
    }));
  }

  toString() {
    return this.href;
  }

  toJSON() {
    return this.href;
  }
}

function parse(url, base) {
  return natives.urlParse(toText(url), base === undefined ? undefined : toText(base)) ?? null;
}

function invalidURL(url, base) {
  const place = base === undefined ? "" : ` with the base ${JSON.stringify(String(base))}`;
  return Object.assign(new TypeError(`Invalid URL: ${JSON.stringify(String(url))}${place}`), { code: "ERR_INVALID_URL" });
}

let paramsOf;
let resetParams;

export class URLSearchParams {
  #pairs = [];
  #changed = () => {};

  static {
    paramsOf = (search, changed) => {
      const params = new URLSearchParams(search);
      params.#changed = changed;
      return params;
    };
    resetParams = (params, search) => {
      params.#pairs = parsePairs(search.slice(1));
    };
  }

  constructor(init = "") {
    if (typeof init !== "object" || init === null) {
      const text = toText(init);
      this.#pairs = parsePairs(text.startsWith("?") ? text.slice(1) : text);
    } else {
      const pairs = typeof init[Symbol.iterator] === "function" ? [...init] : Object.entries(init);
      this.#pairs = pairs.map(readPair);
    }
  }

  get size() {
    return this.#pairs.length;
  }

  append(name, value) {
    this.#pairs.push([toText(name), toText(value)]);
    this.#changed(this.toString());
  }

  delete(name, value) {
    this.#pairs = this.#pairs.filter((pair) => !matches(pair, name, value));
    this.#changed(this.toString());
  }

  get(name) {
    return this.#pairs.find((pair) => matches(pair, name))?.[1] ?? null;
  }

  getAll(name) {
    return this.#pairs.filter((pair) => matches(pair, name)).map(([, value]) => value);
  }

  has(name, value) {
    return this.#pairs.some((pair) => matches(pair, name, value));
  }

  set(name, value) {
    const first = this.#pairs.find((pair) => matches(pair, name));
    if (first === undefined) return this.append(name, value);
    first[1] = toText(value);
    this.#pairs = this.#pairs.filter((pair) => pair === first || !matches(pair, name));
    this.#changed(this.toString());
  }

  sort() {
    this.#pairs.sort(([first], [second]) => (first < second ? -1 : first > second ? 1 : 0));
    this.#changed(this.toString());
  }

  forEach(callback, self) {
    for (const [name, value] of this) callback.call(self, value, name, this);
  }

  *entries() {
    for (const [name, value] of this.#pairs) yield [name, value];
  }

  *keys() {
    for (const [name] of this.#pairs) yield name;
  }

  *values() {
    for (const [, value] of this.#pairs) yield value;
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  toString() {
    return this.#pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join("&");
  }
}

function readPair(pair) {
  const values = [...pair];
  if (values.length !== 2) throw new TypeError("each item of the parameters is a pair of a name and a value");
  return values.map(toText);
}

function matches([name, own], wanted, value) {
  return name === String(wanted) && (value === undefined || own === String(value));
}

function parsePairs(text) {
  const pairs = [];
  for (const part of text.split("&")) {
    if (part === "") continue;
    const at = part.indexOf("=");
    pairs.push(at < 0 ? [decode(part), ""] : [decode(part.slice(0, at)), decode(part.slice(at + 1))]);
  }
  return pairs;
}

function decode(text) {
  const spaced = text.replaceAll("+", " ");
  if (!spaced.includes("%")) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return decodeLossily(spaced);
  }
}

/** Decodes a text with percent signs that are not followed by UTF-8. */
function decodeLossily(text) {
  const bytes = [];
  for (const piece of text.split(/(%[0-9A-Fa-f]{2})/)) {
    if (/^%[0-9A-Fa-f]{2}$/.test(piece)) bytes.push(parseInt(piece.slice(1), 16));
    else bytes.push(...natives.encodeUtf8(piece));
  }
  return natives.decodeUtf8(new Uint8Array(bytes), false);
}

function encode(text) {
  const encoded = encodeURIComponent(text).replaceAll("%20", "+");
  return encoded.replace(/[!'()~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

provide({ URL, URLSearchParams });
