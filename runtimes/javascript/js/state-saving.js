/** Saves the changed names of the modules and the fields of consumers, as one graph of objects. */

import { natives } from "./natives.js";
import { Graph, StateError, textOfSteps } from "./state-graph.js";
import { FIELD, fieldsOf } from "./state-kinds.js";
import { codeHomeOf } from "./state-names.js";
import { sessionFor } from "./session.js";

/** The number of the form of the state. A version of the runtime with another form refuses it. */
export const FORM = 1;

const REMEDY =
  "keep data there, or keep it in a private #field, which does not move, and make it again in restored()";

/** A graph that is saved. */
class SavedGraph extends Graph {
  #homes;
  #open;
  /** What the roots are: texts for errors. */
  #roots = [];

  /** `open` has the sessions whose consumers another version creates. */
  constructor(homes, open) {
    super();
    this.#homes = homes;
    this.#open = open;
  }

  /** Begins a root, and returns its number. */
  root(text, owner) {
    return -this.#roots.push({ text, owner });
  }

  slot(value, parent, step) {
    if (typeof value === "symbol" && Symbol.keyFor(value) === undefined && codeHomeOf(value) === undefined) {
      throw this.#unsavable("a symbol", this.pathOf(parent, step));
    }
    return super.slot(value, parent, step);
  }

  node(value, number) {
    const session = typeof value === "object" ? sessionFor(value) : undefined;
    if (session !== undefined) return this.#consumerNode(value, number, session);
    const node = super.node(value, number);
    const home = this.#homes.get(value);
    if (home !== undefined) node.push(home.place, home.isKept, removedKeys(home.keys, node[3]));
    return node;
  }

  #consumerNode(consumer, number, session) {
    if (this.#open.has(session)) return ["consumer", session.channelName];
    // The plugin has kept a consumer whose connection has ended.
    const keys = savedFields(session);
    return ["closed", null, session.name ?? null, keys, keys.map((key) => this.slot(consumer[key], number, [FIELD, key]))];
  }

  opaque(value, number) {
    const home = codeHomeOf(value);
    if (home !== undefined) return ["code", home];
    // Another version uses an object of its own in the place of the one that contains this value.
    if (this.#homes.get(this.objects[this.parentOf(number)])?.isKept) return ["code", null];
    throw this.#unsavable(describe(value), this.pathOfObject(number));
  }

  #unsavable(description, { root, steps }) {
    const { text, owner } = this.#roots[-root - 1];
    const path = textOfSteps(text, steps.filter(Boolean));
    return new StateError(`${path} is ${description}, which cannot be saved (${owner}): ${REMEDY}`);
  }
}

function removedKeys(before, now) {
  const left = new Set(now);
  return before.filter((key) => !left.has(key));
}

function describe(value) {
  if (typeof value === "function") return "a function";
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  const name = tag === "Object" ? value.constructor?.name : tag;
  if (tag !== "Object") return `${/^[AEIOU]/.test(name) ? "an" : "a"} ${name}`;
  return `an instance of ${name || "a class without a name"}, which is no class at the top of a module of the plugin`;
}

/** The fields of a consumer that move: not the functions that its constructor has set, which are code. */
function savedFields({ consumer, code }) {
  const keys = fieldsOf(consumer);
  return code === undefined ? keys : keys.filter((key) => !code.has(key) || code.get(key) !== consumer[key]);
}

/** The name of the class of a consumer. */
export function nameOf({ consumer }) {
  const { name } = consumer.constructor;
  return name && name !== "default" ? name : "Consumer";
}

function saveConsumer(graph, session, unsaved) {
  const name = session.channelName;
  if (unsaved !== undefined) return [name, [], [], session.phase, [], unsaved];
  const { consumer } = session;
  const root = graph.root(nameOf(session), "a field of the consumer");
  const keys = savedFields(session);
  const slots = keys.map((key) => graph.slot(consumer[key], root, [FIELD, key]));
  const waits = graph.root(`an event that waits for ${nameOf(session)}`, "a message");
  const events = session.waiting.map(([method, value]) => [method, graph.slot(value, waits, undefined)]);
  return [name, keys, slots, session.phase, events, null];
}

/**
 * Saves names and consumers. `saved` are the sessions whose consumers are saved, and `open` those to whose consumers the
 * state may refer. `unsaved` has the reasons why consumers cannot be saved.
 */
export function save({ changed, homes }, saved, open, unsaved = new Map()) {
  const graph = new SavedGraph(homes, new Set(open));
  const bindings = changed.map((name) => {
    const root = graph.root(name.path.join("."), `a variable of ${name.module}`);
    return [name.module, name.path, graph.slot(name.value, root, undefined)];
  });
  const consumers = saved.map((session) => saveConsumer(graph, session, unsaved.get(session)));
  graph.complete();
  return natives.pack([FORM, graph.nodes, bindings, consumers]);
}

/** Returns why consumers cannot be saved, by their sessions. */
export function findUnsaved(names, sessions) {
  const unsaved = new Map();
  for (const session of sessions) {
    try {
      save({ ...names, changed: [] }, [session], sessions);
    } catch (error) {
      unsaved.set(session, error.message);
    }
  }
  return unsaved;
}
