/**
 * Encodes values as a graph: a list of nodes, one for each object, which refer to each other by number.
 *
 * A move has the time of one call for all objects, so the functions that run for each object create few objects themselves.
 */

import { ELEMENT, FIELD, KEY, VALUE, typeOf, visitParts } from "./state-kinds.js";
import { sessionFor } from "./session.js";

/** The state cannot be saved or restored. */
export class StateError extends Error {
  name = "StateError";
}

const NO_KEYS = [];

/**
 * A graph of values.
 *
 * A slot stands for a value: a string, a number, a boolean or null stands for itself, [] for undefined, [number] for the
 * object with this number, and [tag, text] for the values of other types. A node is an array of the number of its shape, its
 * content and the slots of its fields. A shape has the kind, the home of the class and the names of the fields.
 */
export class Graph {
  /** The objects by number. */
  objects = [];
  nodes = [];
  shapes = [];
  /** The object through which each object was found. Roots have numbers below 0. */
  parents = [];
  numbers = new Map();
  /** The number of the object or the root whose parts are encoded. */
  current = -1;
  #shapeNumbers = new Map();
  /** Marks the shapes of this graph that types remember. The graph itself would stay in memory. */
  #mark = {};

  /** `isStrict`: encodes strings that have no form in UTF-8 as numbers. */
  constructor(isStrict = false) {
    this.isStrict = isStrict;
  }

  /** Encodes a value. */
  slot = (value) => {
    switch (typeof value) {
      case "string":
        return this.isStrict && !value.isWellFormed() ? ["text", unitsOf(value)] : value;
      case "number":
        return value === 0 && 1 / value < 0 ? ["number", "-0"] : value;
      case "boolean":
        return value;
      case "undefined":
        return [];
      case "bigint":
        return ["bigint", String(value)];
      case "symbol":
        if (Symbol.keyFor(value) !== undefined) return ["symbol", Symbol.keyFor(value)];
    }
    if (value === null) return null;
    const known = this.numbers.get(value);
    if (known !== undefined) return [known];
    const { objects } = this;
    const number = objects.length;
    objects[number] = value;
    this.parents[number] = this.current;
    this.numbers.set(value, number);
    return [number];
  };

  /** Encodes the objects that were found. Without recursion, so that long chains of objects can be saved. */
  complete() {
    const { objects, nodes } = this;
    for (let number = nodes.length; number < objects.length; number++) {
      this.current = number;
      nodes[number] = this.node(objects[number], number);
    }
  }

  /** Encodes an object of a type that can be saved. */
  contentNode(value, type) {
    const { slot } = this;
    const content = type.hasContent ? type.content(value, slot, type.Base) : null;
    if (!type.hasFields) return [this.#shape(type, NO_KEYS), content];
    const keys = Object.keys(value);
    const node = [this.#shape(type, keys), content];
    for (let index = 0; index < keys.length; index++) node[index + 2] = slot(value[keys[index]]);
    return node;
  }

  #shape(type, keys) {
    if (type.mark === this.#mark && hasSameKeys(type.keys, keys)) return type.shape;
    const id = `${type.kind}\n${type.home?.[0]}\n${type.home?.[1]}\n${JSON.stringify(keys)}`;
    let shape = this.#shapeNumbers.get(id);
    if (shape === undefined) {
      shape = this.shapes.push([type.kind, type.home, keys.map(this.slot)]) - 1;
      this.#shapeNumbers.set(id, shape);
    }
    type.mark = this.#mark;
    type.keys = keys;
    type.shape = shape;
    return shape;
  }

  /** The names of the fields of a node. */
  keysOf(node) {
    return this.shapes[node[0]]?.[2] ?? NO_KEYS;
  }

  /** Returns the root through which an object was found, and the steps from the object after it. */
  pathOf(number) {
    const steps = [];
    let parent = this.parents[number];
    for (; parent >= 0; number = parent, parent = this.parents[number]) {
      steps.push(stepTo(this.objects[parent], this.objects[number]));
    }
    return { root: parent, first: this.objects[number], steps: steps.reverse() };
  }
}

const unitsOf = (text) => Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));

function hasSameKeys(one, other) {
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index++) {
    if (one[index] !== other[index]) return false;
  }
  return true;
}

/** Returns the step from an object to a part of it. */
export function stepTo(value, part) {
  let found;
  visitParts(value, (each, step, key) => {
    if (each === part) found ??= [step, key];
  });
  return found;
}

/**
 * A graph of one value that is compared with an earlier one. It ends at the first difference.
 *
 * Consumers, functions and other values that are code are compared by identity.
 */
export class ComparedGraph extends Graph {
  isChanged = false;
  hasCode = false;

  constructor(value, earlier) {
    super();
    this.root = this.slot(value);
    if (earlier === undefined) this.complete();
    else this.#compare(earlier);
  }

  #compare(earlier) {
    this.isChanged = !isSame(this.root, earlier.root);
    for (let number = 0; number < this.objects.length && !this.isChanged; number++) {
      const shapeCount = this.shapes.length;
      this.current = number;
      this.nodes.push(this.node(this.objects[number]));
      this.isChanged = !isSame(this.nodes[number], earlier.nodes[number]);
      if (this.shapes.length > shapeCount) this.isChanged ||= !isSame(this.shapes[shapeCount], earlier.shapes[shapeCount]);
    }
  }

  node(value) {
    const type = typeOf(value);
    if (type === undefined || (type.home !== null && sessionFor(value) !== undefined)) {
      this.hasCode = true;
      return ["code", value];
    }
    const node = this.contentNode(value, type);
    if (type.kind === "buffer") node[1] = node[1].slice();
    return node;
  }
}

/** Compares slots and nodes, which are nested only a few levels. */
function isSame(one, other) {
  if (Object.is(one, other)) return true;
  if (!(Array.isArray(one) && Array.isArray(other)) && !(one instanceof Uint8Array && other instanceof Uint8Array)) return false;
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index++) {
    if (one[index] !== other[index] && !isSame(one[index], other[index])) return false;
  }
  return true;
}

/** Follows steps from a value. Returns undefined if there is no such part. */
export function follow(value, steps) {
  for (const [kind, key] of steps) {
    if (typeof value !== "object" || value === null) return undefined;
    if (kind === FIELD) value = Object.hasOwn(value, key) || key === "buffer" ? value[key] : undefined;
    else value = value instanceof Map ? Map.prototype.get.call(value, key) : undefined;
  }
  return value;
}

/** Whether another version can follow a step. */
export function isFollowable(step, key) {
  return step === FIELD || (step === VALUE && ["string", "number", "boolean"].includes(typeof key));
}

/** The text of steps, such as `.names[1]`. */
export function textOfSteps(text, steps) {
  for (const [step, key] of steps) {
    if (step === ELEMENT) text = `an element of ${text}`;
    else if (step === KEY) text = `a key or value of ${text}`;
    else if (step === VALUE) text = `${text}.get(${typeof key === "string" ? JSON.stringify(key) : String(key)})`;
    else if (typeof key === "string" && /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u.test(key)) text = `${text}.${key}`;
    else text = `${text}[${JSON.stringify(key)}]`;
  }
  return text;
}
