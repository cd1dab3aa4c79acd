/**
 * Saves and restores the state of the modules and of their consumers.
 *
 * The state is one graph, in which an object that several others refer to stays one object. Another version restores
 * constants in place: the Map of `const rooms = new Map()` gets the saved content. `let` variables are set.
 * Consumers are created by `new`, so that the fields which only this version has have their defaults.
 */

import { natives } from "./natives.js";
import { Session, allSessions } from "./session.js";
import { setField } from "./state-kinds.js";
import { StateError } from "./state-graph.js";
import * as names from "./state-names.js";
import { findUnsaved, nameOf, save } from "./state-saving.js";
import { load } from "./state-restoring.js";

/** When the events that waited before a move are handled, in milliseconds after it. */
const EVENTS_DELAY = 1;

const INFO = 2;
const WARN = 3;

let ConsumerClass;

/** The sessions that were restored and wait for their connections, by the names of their channels. */
const restored = new Map();

/** Takes down what the modules have set. `classes` are the classes of the entries, with the modules that export them. */
export function takeBaseline(modules, classes, Class) {
  ConsumerClass = Class;
  names.takeBaseline(modules, classes);
}

/** Returns the state of the modules and of all consumers: null for none, or true if a handler waits. */
export function saveModule(mode) {
  const sessions = openSessions();
  if (!mayMove(sessions, mode)) return true;
  const changes = names.compareNames();
  if (changes.changed.length === 0 && sessions.length === 0) return null;
  let unsaved;
  try {
    return save(changes, sessions, sessions);
  } catch (error) {
    // A consumer that cannot be saved does not keep the others from moving. A trial wants to know of it.
    unsaved = mode === "trial" ? new Map() : findUnsaved(changes, sessions);
    if (unsaved.size === 0) throw error;
  }
  return save(changes, sessions, sessions, unsaved);
}

/** Returns the state of one consumer, or true if its handler waits. */
export function snapshot(session, mode) {
  if (!mayMove([session], mode)) return true;
  return save({ ...names.compareNames(), changed: [] }, [session], openSessions());
}

function openSessions() {
  return [...allSessions()].filter((session) => session.consumer !== undefined && session.channelName);
}

/** Returns false if the host has to ask again. */
function mayMove(sessions, mode) {
  if (mode === "trial") return true;
  const busy = sessions.filter((session) => session.isBusy);
  if (busy.length > 0 && mode === "move") return false;
  if (busy.length > 0) {
    const named = busy.slice(0, 3).map((session) => `${nameOf(session)}.${session.handler}`);
    const others = busy.length > 3 ? ` and ${busy.length - 3} more` : "";
    natives.log(WARN, "state", `handlers still wait and do not move to the new version, which goes on without them: ${named.join(", ")}${others}`);
  }
  const timers = sessions.reduce((sum, session) => sum + session.timers.size, 0);
  if (timers > 0) {
    const counted = timers === 1 ? "1 timer does" : `${timers} timers do`;
    const isAware = typeof ConsumerClass.prototype.restored === "function";
    const advice = isAware ? "" : ": set them again in a method restored()";
    natives.log(isAware ? INFO : WARN, "state", `${counted} not move to the new version${advice}`);
  }
  return true;
}

/** Restores the modules and the consumers, whose connections follow. */
export function loadModule(bytes) {
  const consumers = { find: (channel) => findSession(channel).consumer, makeClosed };
  for (const { channel, fields, phase, waiting, unsaved } of load(bytes, consumers)) {
    const session = findSession(channel);
    Object.assign(session, { phase, waiting, unsaved });
    if (unsaved === null) setFields(session.consumer, fields);
  }
}

function makeSession() {
  if (ConsumerClass === undefined) throw new StateError("the state contains consumers, and this version has no class of consumers");
  const session = new Session();
  session.create(ConsumerClass);
  return session;
}

/** Returns the session of a channel. Creates it if it is new. */
function findSession(channel) {
  const known = restored.get(channel) ?? openSessions().find((session) => session.name === channel);
  if (known !== undefined) return known;
  const session = makeSession();
  session.name = channel;
  session.phase = "open";
  restored.set(channel, session);
  return session;
}

function makeClosed(channel) {
  const session = makeSession();
  session.name = channel;
  session.phase = "closed";
  return session.consumer;
}

/** Sets the fields of a consumer, which its method `migrate` may change before. */
function setFields(consumer, fields) {
  if (typeof consumer.migrate === "function") {
    const migrated = consumer.migrate(fields);
    if (typeof migrated?.then === "function") throw new StateError("migrate is async: it has to return the fields");
    fields = migrated ?? fields;
  }
  for (const [key, value] of Object.entries(fields)) {
    const isCode = typeof consumer[key] === "function" && Object.hasOwn(consumer, key);
    if (isCode || !setField(consumer, key, value)) {
      natives.log(INFO, "state", `this version does not take the field ${key} of the consumer: its value is dropped`);
    }
  }
}

/** Gives a restored consumer its connection. Without bytes, the state of the modules has the consumer. */
export function restore(id, bytes) {
  const channel = natives.channelName(id);
  if (bytes) loadModule(bytes);
  const session = restored.get(channel);
  if (session === undefined) throw new StateError("neither the state of the module nor a snapshot has this consumer");
  restored.delete(channel);
  if (session.unsaved) throw new StateError(`the version before could not save it: ${session.unsaved}`);
  session.attach(id);
  if (session.waiting.length > 0) session.eventsTimer = natives.setTimer(id, EVENTS_DELAY);
  if (typeof session.consumer.restored === "function") session.callRestored();
}
