/** The functions that the host calls. */

import { natives } from "./natives.js";
import { Consumer, Worker } from "./narrowboat.js";
import { alarmHandler } from "./room.js";
import { Session, beginEvent, sessionById } from "./session.js";
import * as consoleApi from "./console.js";
import * as state from "./state.js";
import * as timers from "./timers.js";
import * as web from "./web.js";

const MODES = ["trial", "move", "forced-move"];

let ConsumerClass;
let worker;
let detachedFailure;

/** Gives the runtime the functions of the host. Returns the functions that the host calls. */
export function install(functions) {
  Object.assign(natives, functions);
  consoleApi.install();
  timers.install();
  web.install();
  Math.random = makeRandom();
  return hooks;
}

/** Random numbers that differ in each instance. */
function makeRandom() {
  let numbers;
  let used = 0;
  return () => {
    if (numbers === undefined || used + 2 > numbers.length) {
      numbers = new Uint32Array(natives.randomBytes(512).buffer);
      used = 0;
    }
    return ((numbers[used++] >>> 5) * 67108864 + (numbers[used++] >>> 6)) / 9007199254740992;
  };
}

function isClass(value, Base) {
  return typeof value === "function" && value.prototype instanceof Base;
}

/** The kinds of classes by their bases. */
const KINDS = new Map([[Consumer, "consumer"], [Worker, "worker"]]);

/** The kind of the class: `consumer`, `worker` or undefined. */
function kindOf(value) {
  for (const [Base, kind] of KINDS) if (isClass(value, Base)) return kind;
  return undefined;
}

/** Returns the indices of the entries that have the class of consumers and that of the worker. */
function findClasses(entries) {
  const found = {};
  entries.forEach(([text, value, role], index) => {
    const kind = kindOf(value);
    if (role === "candidate") {
      if (kind !== "consumer") return;
      if (found.consumer !== undefined) throw ambiguous(entries[found.consumer][0], text);
    } else if (kind === undefined || (role !== "main" && role !== kind)) {
      throw unfit(text, value, role);
    }
    found[kind] = index;
  });
  return found;
}

/** The error of an entry that is not a class of its role. */
function unfit(text, value, role) {
  const wanted = role === "worker" ? "worker" : "consumer";
  const kind = kindOf(value);
  let problem = `not a class of a ${wanted}`;
  if (value === undefined) problem = "not there";
  else if (kind !== undefined) problem = `a class of a ${kind}, and not of a ${wanted}`;
  const remedy = {
    main: 'export default class extends Consumer, from "narrowboat"',
    consumer: 'consumer in plugin.toml names an exported class that extends Consumer, from "narrowboat"',
    worker: 'worker in plugin.toml names an exported class that extends Worker, from "narrowboat"',
  };
  return new TypeError(`${text} is ${problem}: ${remedy[role]}`);
}

/** The error of a plugin whose manifest names a worker alone, while two modules export a consumer by default. */
function ambiguous(first, second) {
  const entry = first.replace(/\.\w+:/, ":");
  return new TypeError(`${first} and ${second} are both a class of a consumer: name one in plugin.toml: consumer = "${entry}"`);
}

/** Runs code that belongs to no connection. It fails if it waits: `takeDetachedFailure` throws that. */
function runDetached(problem, call) {
  detachedFailure = new Error(problem);
  const result = call();
  if (typeof result?.then !== "function") detachedFailure = undefined;
  else result.then(() => (detachedFailure = undefined), (error) => (detachedFailure = error));
}

const hooks = {
  /**
   * Takes the classes of the plugin from its entries: the text of an export, its value, and its role, as `roleOf` of
   * `instance.rs` names it. Returns the indices of the entries that have the classes.
   */
  start(entries, modules) {
    const found = findClasses(entries);
    const [consumer, workers] = [entries[found.consumer], entries[found.worker]];
    ConsumerClass = consumer?.[1];
    alarmHandler.of = ConsumerClass;
    worker = workers && new workers[1]();
    const taken = [consumer, workers].filter(Boolean);
    const classes = taken.map(([text, Class]) => ({ module: text.split(":")[0], Class }));
    state.takeBaseline(modules, classes, ConsumerClass);
    return found;
  },

  connect(id, scope) {
    beginEvent();
    new Session(id).connect(ConsumerClass, scope);
  },

  takeDecision(id) {
    return sessionById(id)?.takeDecision() ?? null;
  },

  receive(id, data) {
    beginEvent();
    sessionById(id)?.dispatch("receive", data);
  },

  handle(id, message) {
    beginEvent();
    const session = sessionById(id);
    if (session === undefined) return true;
    const name = handlerName(session.consumer, message.type);
    if (name === undefined) return false;
    session.dispatch(name, message);
    return true;
  },

  timer(id, timer) {
    beginEvent();
    timers.fireTimer(id, timer);
  },

  disconnect(id, code, reason) {
    beginEvent();
    sessionById(id)?.disconnect(code, reason);
  },

  work(channel, message) {
    beginEvent();
    const name = handlerName(worker, message.type);
    if (name === undefined) return false;
    const problem = `the handler ${name} of the worker waits, and a worker cannot wait`;
    runDetached(problem, () => worker[name](message, channel));
    return true;
  },

  alarm() {
    beginEvent();
    if (typeof ConsumerClass?.alarm !== "function") {
      throw new Error("the room has an alarm that an earlier version has set: add static alarm() to the consumer");
    }
    runDetached("alarm() waits, and it cannot wait: it belongs to no connection", () => ConsumerClass.alarm());
  },

  /** Loads what the text of a module may need, while the plugin is compiled. */
  preload(text) {
    web.preload(text);
  },

  takeDetachedFailure() {
    const failure = detachedFailure;
    detachedFailure = undefined;
    if (failure !== undefined) throw failure;
  },

  saveModule(mode) {
    return state.saveModule(MODES[mode]);
  },

  loadModule(bytes) {
    state.loadModule(bytes);
  },

  snapshot(id, mode) {
    return state.snapshot(sessionById(id), MODES[mode]);
  },

  restore(id, bytes) {
    beginEvent();
    state.restore(id, bytes);
  },
};

const names = new Map();

/** The name of the method that handles a type such as `chat.message`: `onChatMessage`. */
function handlerName(target, type) {
  if (typeof type !== "string") return undefined;
  let name = names.get(type);
  if (name === undefined) {
    name = `on${type.split(/[._-]/).filter(Boolean).map((part) => part[0].toUpperCase() + part.slice(1)).join("")}`;
    if (names.size < 1000) names.set(type, name);
  }
  return typeof target[name] === "function" ? name : undefined;
}
