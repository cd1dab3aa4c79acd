/** Encodes values as a graph: a list of nodes, one for each object, which refer to each other by number. */

import { sessionFor } from "./session.js";
import { ELEMENT, FIELD, KEY, KINDS, VALUE, fieldsOf, kindOf } from "./state-kinds.js";

/** The state cannot be saved or restored. */
export class StateError extends Error {
  name = "StateError";
}

/**
 * A graph of values.
 *
 * A slot stands for a value: a string, a number, a boolean or null stands for itself, [] for undefined, [number] for the
 * object with this number, and [tag, text] for the values of other types. A node is an array of the object's kind, the home
 * of its class, its content, the names of its fields and their slots.
 */
export class Graph {
  /** The objects by number. */
  objects = [];
  nodes = [];
  #numbers = new Map();
  /** The number of the object through which each object was found, and the step from there. Roots have numbers below 0. */
  #parents = [];
  #steps = [];

  /** Encodes a value. */
  slot(value, parent, step) {
    switch (typeof value) {
      case "string":
        return value.isWellFormed() ? value : ["text", Array.from({ length: value.length }, (_, at) => value.charCodeAt(at))];
      case "number":
        return Object.is(value, -0) ? ["number", "-0"] : value;
      case "boolean":
        return value;
      case "undefined":
        return [];
      case "bigint":
        return ["bigint", String(value)];
      case "symbol":
        if (Symbol.keyFor(value) !== undefined) return ["symbol", Symbol.keyFor(value)];
    }
    return value === null ? null : [this.#number(value, parent, step)];
  }

  #number(value, parent, step) {
    let number = this.#numbers.get(value);
    if (number === undefined) {
      number = this.objects.push(value) - 1;
      this.#numbers.set(value, number);
      this.#parents.push(parent);
      this.#steps.push(step);
    }
    return number;
  }

  /** Encodes the objects that were found. Without recursion, so that long chains of objects can be saved. */
  complete() {
    for (let number = this.nodes.length; number < this.objects.length; number++) {
      this.nodes.push(this.node(this.objects[number], number));
    }
    return this;
  }

  /** Encodes an object. */
  node(value, number) {
    const kind = kindOf(value);
    return kind === undefined ? this.opaque(value, number) : this.contentNode(value, number, kind);
  }

  contentNode(value, number, { kind, Base, hasFields, home }) {
    const content = KINDS[kind].content(value, (part, step) => this.slot(part, number, step), Base);
    if (!hasFields) return [kind, home, content, [], []];
    const keys = fieldsOf(value);
    return [kind, home, content, keys, keys.map((key) => this.slot(value[key], number, [FIELD, key]))];
  }

  /** Returns the root through which an object was found, and the steps from there. */
  pathOf(parent, step) {
    const steps = [step];
    for (; parent >= 0; parent = this.#parents[parent]) steps.push(this.#steps[parent]);
    return { root: parent, steps: steps.reverse() };
  }

  parentOf(number) {
    return this.#parents[number];
  }

  /** As `pathOf`, for an object of this graph. */
  pathOfObject(number) {
    return this.pathOf(this.#parents[number], this.#steps[number]);
  }
}

/**
 * A graph of one value that is compared with an earlier one. It ends at the first difference.
 *
 * Consumers, functions and other values that are code are compared by identity.
 */
export class ComparedGraph extends Graph {
  isChanged = false;
  #earlier;

  constructor(value, earlier) {
    super();
    this.#earlier = earlier;
    this.root = this.slot(value, -1, undefined);
    if (earlier !== undefined && !isSame(this.root, earlier.root)) this.isChanged = true;
    else this.complete();
    this.#earlier = undefined;
  }

  /** Encodes the objects until one differs. */
  complete() {
    for (let number = 0; number < this.objects.length && !this.isChanged; number++) {
      const node = this.node(this.objects[number], number);
      this.nodes.push(node);
      this.isChanged = this.#earlier !== undefined && !isSame(node, this.#earlier.nodes[number]);
    }
  }

  node(value, number) {
    return typeof value === "object" && sessionFor(value) !== undefined ? this.opaque(value) : super.node(value, number);
  }

  opaque(value) {
    return ["code", value];
  }

  contentNode(value, number, kind) {
    const node = super.contentNode(value, number, kind);
    if (kind.kind === "buffer") node[2] = node[2].slice();
    return node;
  }
}

/** Compares slots and nodes, which are nested only a few levels. */
function isSame(one, other) {
  if (Object.is(one, other)) return true;
  if (!(Array.isArray(one) && Array.isArray(other)) && !(one instanceof Uint8Array && other instanceof Uint8Array)) return false;
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index++) {
    if (!isSame(one[index], other[index])) return false;
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

/** Whether another version can follow the steps. */
export function isFollowable(steps) {
  return steps.every(([kind, key]) => kind === FIELD || (kind === VALUE && ["string", "number", "boolean"].includes(typeof key)));
}

/** The text of steps, such as `.names[1]`. */
export function textOfSteps(text, steps) {
  for (const [kind, key] of steps) {
    if (kind === ELEMENT) text = `an element of ${text}`;
    else if (kind === KEY) text = `a key or value of ${text}`;
    else if (kind === VALUE) text = `${text}.get(${typeof key === "string" ? JSON.stringify(key) : String(key)})`;
    else if (typeof key === "string" && /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u.test(key)) text = `${text}.${key}`;
    else text = `${text}[${JSON.stringify(key)}]`;
  }
  return text;
}
