/** Saves the changed names of the modules and the fields of consumers, as one graph of objects. */

import { natives } from "./natives.js";
import { Graph, StateError, stepTo, textOfSteps } from "./state-graph.js";
import { typeOf } from "./state-kinds.js";
import { codeHomeOf } from "./state-names.js";
import { sessionFor } from "./session.js";
import { lastTimer } from "./timers.js";

/** The number of the form of the state. A version of the runtime with another form refuses it. */
export const FORM = 1;

const REMEDY =
  "keep data there, or keep it in a private #field, which does not move, and make it again in restored()";

/** A graph that is saved. */
class SavedGraph extends Graph {
  /** The objects for which another version has one of its own: the number, the place, whether its content is kept, and the
   * fields that were removed. */
  places = [];
  #homes;
  #open;
  /** The roots: texts for errors, and the objects that have them as fields. */
  #roots = [];

  /** `open` has the sessions whose consumers another version creates. */
  constructor(homes, open, isStrict) {
    super(isStrict);
    this.#homes = homes;
    this.#open = open;
  }

  /** Begins a root. `holder` is the object whose fields follow, if it is not a part of the graph. */
  beginRoot(text, owner, holder) {
    this.current = -this.#roots.push({ text, owner, holder });
  }

  node(value, number) {
    const type = typeOf(value);
    if (type === undefined) return this.#codeNode(value, number);
    if (type.home !== null) {
      const session = sessionFor(value);
      if (session !== undefined) return this.#consumerNode(value, session);
    }
    const node = this.contentNode(value, type);
    const home = this.#homes.get(value);
    if (home !== undefined) this.places.push([number, home.place, home.isKept, removedKeys(home.keys, Object.keys(value)).map(this.slot)]);
    return node;
  }

  #consumerNode(consumer, session) {
    if (this.#open.has(session)) return ["consumer", session.channelName];
    // The plugin has kept a consumer whose connection has ended.
    const keys = savedFields(session);
    return ["closed", session.name ?? null, keys.map(this.slot), keys.map((key) => this.slot(consumer[key]))];
  }

  #codeNode(value, number) {
    const home = codeHomeOf(value);
    if (home !== undefined) return ["code", home];
    // Another version uses an object of its own in the place of the one that contains this value.
    if (this.#homes.get(this.objects[this.parents[number]])?.isKept) return ["code", null];
    const { root, first, steps } = this.pathOf(number);
    const { text, owner, holder } = this.#roots[-root - 1];
    const path = textOfSteps(text, holder === undefined ? steps : [stepTo(holder, first), ...steps]);
    throw new StateError(`${path} is ${describe(value)}, which cannot be saved (${owner}): ${REMEDY}`);
  }
}

function removedKeys(before, now) {
  const left = new Set(now);
  return before.filter((key) => !left.has(key));
}

function describe(value) {
  if (typeof value === "function") return "a function";
  if (typeof value === "symbol") return "a symbol";
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  const name = tag === "Object" ? value.constructor?.name : tag;
  if (tag !== "Object") return `${/^[AEIOU]/.test(name) ? "an" : "a"} ${name}`;
  return `an instance of ${name || "a class without a name"}, which is no class at the top of a module of the plugin`;
}

/** The fields of a consumer that move: not the functions that its constructor has set, which are code. */
function savedFields({ consumer, code }) {
  const keys = Object.keys(consumer);
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
  graph.beginRoot(nameOf(session), "a field of the consumer", consumer);
  const keys = savedFields(session);
  const slots = keys.map((key) => graph.slot(consumer[key]));
  graph.beginRoot(`an event that waits for ${nameOf(session)}`, "a message");
  const events = session.waiting.map(([method, value]) => [method, graph.slot(value)]);
  return [name, keys.map(graph.slot), slots, session.phase, events, null];
}

function encode({ changed, homes }, saved, open, unsaved, isStrict) {
  const graph = new SavedGraph(homes, new Set(open), isStrict);
  const bindings = changed.map((name) => {
    graph.beginRoot(name.path.join("."), `a variable of ${name.module}`);
    return [name.module, name.path, graph.slot(name.value)];
  });
  const consumers = saved.map((session) => saveConsumer(graph, session, unsaved.get(session)));
  graph.complete();
  return [FORM, graph.shapes, graph.nodes, graph.places, bindings, consumers, lastTimer()];
}

/**
 * Saves names and consumers. `saved` are the sessions whose consumers are saved, and `open` those to whose consumers the
 * state may refer. `unsaved` has the reasons why consumers cannot be saved.
 */
export function save(names, saved, open, unsaved = new Map()) {
  const state = encode(names, saved, open, unsaved, false);
  try {
    return natives.pack(state);
  } catch {
    // A string contains half of a surrogate pair.
    return natives.pack(encode(names, saved, open, unsaved, true));
  }
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
