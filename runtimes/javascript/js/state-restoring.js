/** Restores what another version has saved. */

import { natives } from "./natives.js";
import { StateError } from "./state-graph.js";
import { KINDS, kindOf, setField } from "./state-kinds.js";
import { findClasses, findName, findPlace } from "./state-names.js";
import { FORM } from "./state-saving.js";

const VALUES = {
  text: (units) => String.fromCharCode(...units),
  number: () => -0,
  bigint: BigInt,
  symbol: (key) => Symbol.for(key),
};

function dropped(text) {
  natives.log(2, "state", `this version has no ${text} with state: its value is dropped`);
}

/** Reads a graph. */
class Reader {
  #nodes;
  #consumers;
  #objects = [];
  #isFilled = [];
  /** The objects of this version that stand for saved ones. */
  #used = new Set();

  /** `consumers` creates the consumers that the graph refers to. */
  constructor(nodes, consumers) {
    this.#nodes = nodes;
    this.#consumers = consumers;
  }

  /** Returns the value of a slot. */
  read = (slot) => {
    if (!Array.isArray(slot)) return slot;
    if (slot.length === 0) return undefined;
    return slot.length === 1 ? this.#object(slot[0]) : VALUES[slot[0]](slot[1]);
  };

  /** Creates all objects first, so that what this version has is found before anything changes it. Then fills them. */
  readAll() {
    this.#nodes.forEach((_, number) => this.#object(number));
    this.#nodes.forEach((node, number) => this.#isFilled[number] || this.#fill(node, this.#objects[number]));
  }

  #object(number) {
    if (!(number in this.#objects)) this.#objects[number] = this.#make(this.#nodes[number], number);
    return this.#objects[number];
  }

  #make(node, number) {
    const [kind, home, content, , , place, isKept] = node;
    this.#isFilled[number] = kind === "consumer" || kind === "code";
    if (kind === "consumer") return this.#consumers.find(home);
    if (kind === "closed") return this.#consumers.makeClosed(content);
    if (kind === "code") return home === null ? undefined : findCode(home);
    const own = place && findPlace(place);
    if (isKept && typeof own === "object" && own !== null) {
      this.#isFilled[number] = true;
      return own;
    }
    const Class = home ? findClass(home) : undefined;
    if (own && !this.#used.has(own) && this.#canTake(own, kind, Class, content)) {
      this.#used.add(own);
      return own;
    }
    return KINDS[kind].make(content, Class, this.read);
  }

  #canTake(own, kind, Class, content) {
    if (kindOf(own)?.kind !== kind) return false;
    if (Class !== undefined && Object.getPrototypeOf(own) !== Class.prototype) return false;
    return KINDS[kind].fits(own, content, this.read);
  }

  /** Gives an object its content. Fields that only this version has stay. */
  #fill([kind, , content, keys, slots, , , removed], object) {
    KINDS[kind]?.fill(object, content, this.read);
    for (const key of removed ?? []) Reflect.deleteProperty(object, key);
    keys.forEach((key, index) => setField(object, key, this.read(slots[index])));
  }
}

const textOf = ([module, path]) => `${path.join(".")} in ${module}`;

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
  const [form, nodes, bindings, saved] = natives.unpack(bytes);
  if (form !== FORM) throw new StateError(`the state has the form ${form}, and this runtime reads the form ${FORM}`);
  const reader = new Reader(nodes, consumers);
  reader.readAll();
  for (const [module, path, slot] of bindings) bind(module, path, reader.read(slot));
  return saved.map(([channel, keys, slots, phase, events, unsaved]) => {
    const fields = {};
    keys.forEach((key, index) => setField(fields, key, reader.read(slots[index])));
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
