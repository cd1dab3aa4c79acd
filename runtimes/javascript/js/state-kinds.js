/**
 * The kinds of objects that can be saved.
 *
 * A kind has these functions:
 * - `content(value, slot)` returns what the object contains besides its fields. `slot(part, step, key)` encodes a part.
 * - `make(content, Class, read)` creates the object without the parts that may refer back to it. `read(slot)` is a part.
 * - `fill(target, content, read)` replaces the parts of the object.
 * - `fits(target, content, read)` says whether an object of another version can take the content.
 */

import { Group, channelOf } from "./narrowboat.js";

const { construct } = Reflect;
const always = () => true;
const none = () => null;
const nothing = () => {};

/** The steps from an object to its parts. A part of the last kind cannot be found again in another version. */
export const FIELD = 0;
export const VALUE = 1;
export const ELEMENT = 2;
export const KEY = 3;

const isPrimitive = (value) => value === null || (typeof value !== "object" && typeof value !== "function");

function defineHidden(target, key, value) {
  Reflect.defineProperty(target, key, { value, writable: true, configurable: true, enumerable: false });
}

/** The fields of an Error that `Object.keys` leaves out. */
const ERROR_FIELDS = ["message", "stack", "cause", "errors"];

const views = [
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array,
  BigInt64Array, BigUint64Array, DataView,
];
const viewsByName = new Map(views.map((View) => [View.name, View]));
const errors = [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError];
const errorsByName = new Map(errors.map((Class) => [Class.name, Class]));

/** Objects of the web platform: the values that they are made of, and how they are made. */
const WEB_CLASSES = {
  Headers: { values: (headers) => [...headers], make: (...pairs) => new globalThis.Headers(pairs) },
  TextDecoder: {
    values: ({ encoding, fatal, ignoreBOM }) => [encoding, fatal, ignoreBOM],
    make: (encoding, fatal, ignoreBOM) => new globalThis.TextDecoder(encoding, { fatal, ignoreBOM }),
  },
  TextEncoder: { values: () => [], make: () => new globalThis.TextEncoder() },
  URL: { values: (url) => [String(url)], make: (text) => new globalThis.URL(text) },
  URLSearchParams: { values: (query) => [String(query)], make: (text) => new globalThis.URLSearchParams(text) },
};

export const KINDS = {
  object: {
    content: none,
    make: (_, Class) => (Class === undefined ? {} : Object.create(Class.prototype)),
    fill: nothing,
    fits: always,
  },
  bare: { content: none, make: () => Object.create(null), fill: nothing, fits: always },
  array: {
    content(array, slot) {
      const slots = [];
      for (let index = 0; index < array.length; index++) slots[index] = slot(array[index], FIELD, index);
      return slots;
    },
    make: (_, Class) => construct(Array, [], Class ?? Array),
    fill(array, items, read) {
      if (Object.isFrozen(array)) return;
      array.length = 0;
      for (let index = 0; index < items.length; index++) array[index] = read(items[index]);
    },
    fits: always,
  },
  map: {
    content(map, slot) {
      const slots = [];
      Map.prototype.forEach.call(map, (value, key) => {
        slots.push(slot(key, KEY));
        slots.push(slot(value, isPrimitive(key) ? VALUE : KEY, key));
      });
      return slots;
    },
    make: (_, Class) => construct(Map, [], Class ?? Map),
    fill(map, slots, read) {
      Map.prototype.clear.call(map);
      for (let index = 0; index < slots.length; index += 2) {
        Map.prototype.set.call(map, read(slots[index]), read(slots[index + 1]));
      }
    },
    fits: always,
  },
  set: {
    content: (set, slot) => Array.from(Set.prototype.values.call(set), (item) => slot(item, ELEMENT)),
    make: (_, Class) => construct(Set, [], Class ?? Set),
    fill(set, slots, read) {
      Set.prototype.clear.call(set);
      for (const slot of slots) Set.prototype.add.call(set, read(slot));
    },
    fits: always,
  },
  date: {
    content: (date) => Date.prototype.getTime.call(date),
    make: (time, Class) => construct(Date, [time], Class ?? Date),
    fill: (date, time) => void Date.prototype.setTime.call(date, time),
    fits: always,
  },
  // A search moves `lastIndex`. That is no change of the expression, so `fits` and the comparison ignore it.
  regexp: {
    content: (expression) => [expression.source, expression.flags],
    make: ([source, flags], Class) => construct(RegExp, [source, flags], Class ?? RegExp),
    fill: nothing,
    fits: (expression, [source, flags]) => expression.source === source && expression.flags === flags,
  },
  error: {
    content(error, slot, Base) {
      const fields = ERROR_FIELDS.filter((key) => isHidden(error, key));
      return [Base.name, fields, fields.map((key) => slot(error[key], FIELD, key))];
    },
    make([name], Class) {
      const Base = errorsByName.get(name) ?? Error;
      return construct(Base, Base === AggregateError ? [[]] : [], Class ?? Base);
    },
    fill(error, [, keys, slots], read) {
      keys.forEach((key, index) => defineHidden(error, key, read(slots[index])));
    },
    fits: always,
  },
  buffer: {
    content: (buffer) => new Uint8Array(buffer),
    make: (bytes) => new Uint8Array(bytes).buffer,
    fill: (buffer, bytes) => new Uint8Array(buffer).set(bytes),
    fits: (buffer, bytes) => buffer.byteLength === bytes.length,
  },
  view: {
    content(view, slot, Base) {
      const length = Base === DataView ? view.byteLength : view.length;
      return [Base.name, slot(view.buffer, FIELD, "buffer"), view.byteOffset, length];
    },
    make([name, buffer, offset, length], Class, read) {
      const View = viewsByName.get(name);
      return construct(View, [read(buffer), offset, length], Class ?? View);
    },
    fill: nothing,
    fits(view, [name, buffer, offset, length], read) {
      const size = name === "DataView" ? view.byteLength : view.length;
      return view.buffer === read(buffer) && view.byteOffset === offset && size === length;
    },
  },
  group: {
    content: (group) => [group.name, channelOf(group) ?? null],
    make: ([name, channel]) => new Group(name, channel ?? undefined),
    fill: nothing,
    fits: (group, [name, channel]) => group.name === name && (channelOf(group) ?? null) === channel,
  },
  web: {
    content: (value, _, Base) => [Base.name, ...WEB_CLASSES[Base.name].values(value)],
    make: ([name, ...values]) => WEB_CLASSES[name].make(...values),
    fill: nothing,
    fits: (value, [name, ...values]) => String(WEB_CLASSES[name].values(value)) === String(values),
  },
};

function isHidden(error, key) {
  const property = Object.getOwnPropertyDescriptor(error, key);
  return property !== undefined && "value" in property && !property.enumerable;
}

/** The types of objects by their prototypes. */
const typesByPrototype = new Map();

/** A kind of objects with a class. `hasFields` says whether the own enumerable fields are saved too. */
function makeType(kind, Base, hasFields, home = null) {
  const { content } = KINDS[kind];
  return { kind, content, hasContent: content !== none, Base, hasFields, home, mark: undefined, keys: [], shape: 0 };
}

function add(Class, kind, hasFields = false) {
  typesByPrototype.set(Class.prototype, makeType(kind, Class, hasFields));
}

add(Object, "object", true);
add(Array, "array");
add(Map, "map");
add(Set, "set");
add(Date, "date");
add(RegExp, "regexp");
add(ArrayBuffer, "buffer");
add(Group, "group");
for (const Class of errors) add(Class, "error", true);
for (const Class of views) add(Class, "view");

const BARE = makeType("bare", undefined, true);

/**
 * Makes the instances of a class savable. `home` is where another version finds the class.
 * Private #fields do not move, because only the code of the class can reach them.
 */
export function addClass(Class, home) {
  const { prototype } = Class;
  if (typesByPrototype.has(prototype)) return;
  const base = baseOf(prototype);
  if (base !== undefined) typesByPrototype.set(prototype, makeType(base.kind, base.Base, true, home));
}

function baseOf(prototype) {
  while (prototype !== null) {
    const known = typesByPrototype.get(prototype);
    if (known !== undefined) return known;
    prototype = Object.getPrototypeOf(prototype);
  }
  return undefined;
}

/** Returns the type of an object, or undefined if it cannot be saved. */
export function typeOf(value) {
  if (typeof value !== "object") return undefined;
  const prototype = Object.getPrototypeOf(value);
  if (prototype === null) return BARE;
  const known = typesByPrototype.get(prototype);
  if (known !== undefined) return known;
  // A global has a getter until it is first used. Before that there are no objects of its class.
  const isGlobal = (name) => Object.getOwnPropertyDescriptor(globalThis, name)?.value?.prototype === prototype;
  const web = Object.keys(WEB_CLASSES).find(isGlobal);
  if (web === undefined) return undefined;
  add(globalThis[web], "web");
  return typesByPrototype.get(prototype);
}

/** Calls `visit(part, step, key)` for each part of an object. */
export function visitParts(value, visit) {
  const type = typeOf(value);
  if (type === undefined) return;
  if (type.hasFields) {
    for (const key of Object.keys(value)) visit(value[key], FIELD, key);
  }
  type.content(value, visit, type.Base);
}

/** Sets a field. Returns false if the object does not take it. */
export function setField(target, key, value) {
  if (Object.hasOwn(target, key) && Object.is(target[key], value)) return true;
  if (key !== "__proto__") return Reflect.set(target, key, value);
  return Reflect.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}
