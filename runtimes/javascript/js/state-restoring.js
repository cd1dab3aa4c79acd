/** Restores what another version has saved. */

import { natives } from "./natives.js";
import { StateError, textOfSteps } from "./state-graph.js";
import { KINDS, setField, typeOf } from "./state-kinds.js";
import { findClasses, findName, findPlace } from "./state-names.js";
import { FORM } from "./state-saving.js";
import { numberTimersFrom } from "./timers.js";

const VALUES = {
  text: (units) => String.fromCharCode(...units),
  number: () => -0,
  bigint: BigInt,
  symbol: (key) => Symbol.for(key),
};

/** The states of an object: it has to be filled, or it has its content. */
const MADE = 1;
const COMPLETE = 2;

function dropped(text) {
  natives.log(2, "state", `this version has no ${text} with state: its value is dropped`);
}

/** A shape as a graph has it, with the class of this version. */
class Shape {
  #Class;

  constructor([name, home, keys], read) {
    this.name = name;
    this.kind = KINDS[name];
    this.home = home;
    this.keys = keys.map(read);
    /** Whether the fields of a new object can be assigned: no name means a setter. */
    this.isPlain = (name === "object" && home === null && !this.keys.includes("__proto__")) || name === "bare";
  }

  get Class() {
    return this.home === null ? undefined : (this.#Class ??= findClass(this.home));
  }
}

/** Reads a graph. */
class Reader {
  #nodes;
  #shapes;
  #places;
  #consumers;
  #objects = [];
  /** 1 for objects that were made, 2 for those that need no content. */
  #states;
  /** The objects of this version that stand for saved ones. */
  #used = new Set();

  /** `consumers` creates the consumers that the graph refers to. */
  constructor(shapes, nodes, places, consumers) {
    this.#nodes = nodes;
    this.#states = new Uint8Array(nodes.length);
    this.#shapes = shapes.map((shape) => new Shape(shape, this.read));
    this.#places = new Map(places.map(([number, place, isKept, removed]) => [number, { place, isKept, removed }]));
    this.#consumers = consumers;
  }

  /** Returns the value of a slot. */
  read = (slot) => {
    if (typeof slot !== "object" || slot === null) return slot;
    if (slot.length === 1) return this.#object(slot[0]);
    return slot.length === 0 ? undefined : VALUES[slot[0]](slot[1]);
  };

  /** Creates all objects first, so that what this version has is found before anything changes it. Then fills them. */
  readAll() {
    const count = this.#nodes.length;
    for (let number = 0; number < count; number++) this.#object(number);
    for (let number = 0; number < count; number++) {
      if (this.#states[number] === MADE) this.#fill(this.#nodes[number], this.#objects[number], number);
    }
  }

  #object(number) {
    if (this.#states[number] === 0) {
      this.#states[number] = MADE;
      this.#objects[number] = this.#make(this.#nodes[number], number);
    }
    return this.#objects[number];
  }

  #make(node, number) {
    if (typeof node[0] === "string") return this.#makeSpecial(node, number);
    const shape = this.#shapes[node[0]];
    const place = this.#places.get(number);
    if (place === undefined) return shape.isPlain ? shape.kind.make() : shape.kind.make(node[1], shape.Class, this.read);
    const own = findPlace(place.place);
    if (place.isKept && typeof own === "object" && own !== null) {
      this.#states[number] = COMPLETE;
      return own;
    }
    if (own && !this.#used.has(own) && this.#canTake(own, shape, node[1])) {
      this.#used.add(own);
      return own;
    }
    return shape.kind.make(node[1], shape.Class, this.read);
  }

  #makeSpecial([kind, content], number) {
    if (kind === "closed") return this.#consumers.makeClosed(content);
    this.#states[number] = COMPLETE;
    if (kind === "consumer") return this.#consumers.find(content);
    return content === null ? undefined : findCode(content);
  }

  #canTake(own, { name, kind, Class }, content) {
    if (typeOf(own)?.kind !== name) return false;
    if (Class !== undefined && Object.getPrototypeOf(own) !== Class.prototype) return false;
    return kind.fits(own, content, this.read);
  }

  /** Gives an object its content. Fields that only this version has stay. */
  #fill(node, object, number) {
    if (node[0] === "closed") return this.#setFields(object, node[2].map(this.read), node[3], 0);
    const shape = this.#shapes[node[0]];
    const place = this.#places.get(number);
    const { keys, isPlain } = shape;
    if (isPlain && place === undefined) {
      for (let index = 0; index < keys.length; index++) object[keys[index]] = this.read(node[index + 2]);
      return;
    }
    shape.kind.fill(object, node[1], this.read);
    for (const key of place?.removed ?? []) Reflect.deleteProperty(object, this.read(key));
    this.#setFields(object, keys, node, 2);
  }

  /** Whether a slot refers to code that this version lacks. */
  #isDropped(slot) {
    return Array.isArray(slot) && slot.length === 1 && this.#nodes[slot[0]][0] === "code" && this.read(slot) === undefined;
  }

  #setFields(object, keys, slots, offset) {
    for (let index = 0; index < keys.length; index++) {
      const slot = slots[index + offset];
      if (!this.#isDropped(slot)) setField(object, keys[index], this.read(slot));
    }
  }
}

const textOf = ([module, path, steps = []]) => `${textOfSteps(path.join("."), steps)} in ${module}`;

function findClass(home) {
  const found = findClasses(home);
  if (found.length === 1) return found[0];
  const reason = found.length === 0 ? "has none with this name" : `has ${found.length} with this name in other modules`;
  throw new StateError(`the state contains an object of ${textOf(home)}, and this version ${reason}`);
}

/** Returns what is code at a home: a function, a class, or another value that cannot be saved. */
function findCode(home) {
  const found = findPlace(home) ?? (home[2].length === 0 ? onlyOf(findClasses(home)) : undefined);
  if (found === undefined) dropped(textOf(home));
  return found;
}

const onlyOf = (items) => (items.length === 1 ? items[0] : undefined);

/**
 * Reads a state. `consumers.find` returns the consumer of a channel, and `consumers.makeClosed` one without a connection.
 * Returns the consumers that were saved: the channel, the fields, the phase, the waiting events and why it was not saved.
 */
export function load(bytes, consumers) {
  const [form, shapes, nodes, places, bindings, saved, timer] = natives.unpack(bytes);
  if (form !== FORM) throw new StateError(`the state has the form ${form}, and this runtime reads the form ${FORM}`);
  numberTimersFrom(timer);
  const reader = new Reader(shapes, nodes, places, consumers);
  reader.readAll();
  for (const [module, path, slot] of bindings) bind(module, path, reader.read(slot));
  return saved.map(([channel, keys, slots, phase, events, unsaved]) => {
    const fields = {};
    keys.forEach((key, index) => setField(fields, reader.read(key), reader.read(slots[index])));
    const waiting = events.map(([method, value]) => [method, reader.read(value)]);
    return { channel, fields, phase, waiting, unsaved };
  });
}

/** Sets a variable, unless this version has removed it, or made it a constant, a function or a class. */
function bind(module, path, value) {
  const name = findName(module, path);
  const isTaken = name !== undefined && (Object.is(name.value, value) || (typeof name.value !== "function" && name.set(value)));
  if (!isTaken) dropped(textOf([module, path]));
}
