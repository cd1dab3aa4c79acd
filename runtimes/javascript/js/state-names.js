/**
 * The names of a plugin that can have state: the variables of its modules, and the static fields of their classes.
 *
 * The values that modules set when they are loaded are code. A name whose value differs later has state.
 */

import { ComparedGraph, follow, isFollowable } from "./state-graph.js";
import { Bucket, KeyValueError } from "./keyvalue.js";
import { ClientError, Rejected } from "./narrowboat.js";
import { addClass, visitParts } from "./state-kinds.js";

/** The most objects of a name that another version finds again by the way to them. */
const MAX_PLACES = 1000;

/** A name: its module, the path of the class and the name, and how it is read and set. */
class Name {
  constructor(module, path, holder) {
    this.module = module;
    this.path = path;
    this.holder = holder;
    this.key = path.at(-1);
  }

  get value() {
    return this.holder[this.key];
  }

  /** Sets the variable. Returns false for a constant. */
  set(value) {
    return Reflect.set(this.holder, this.key, value);
  }

  get id() {
    return idOf(this.module, this.path);
  }
}

/** Files that differ only in their endings are one module, so that a file in JavaScript can become one in TypeScript. */
const idOf = (module, path) => `${module.replace(/\.m?[jt]s$/, "")}\n${path.join("\n")}`;

/** The names by id, each with the graph of the value that its module has set. */
const names = new Map();

/** The classes of the plugin by their names: a list of homes and classes. */
const classesByName = new Map();

/** The homes of functions, classes and other values of modules that are code. */
const codeHomes = new Map();

function isClass(value) {
  return typeof value === "function" && Object.getOwnPropertyDescriptor(value, "prototype")?.writable === false;
}

/** Takes down the names of the modules: pairs of a path and an object with the names. */
export function takeBaseline(modules, entries) {
  const classes = new Set();
  for (const Class of [Rejected, ClientError, Bucket, KeyValueError]) addNamedClass("narrowboat", [Class.name], Class, classes);
  for (const [module, holder] of modules) {
    if (holder) addNames(module, [], holder, classes);
  }
  // The class of an entry may have no name in its module.
  for (const { module, Class } of entries) {
    if (!classes.has(Class)) addNamedClass(module, ["default"], Class, classes);
  }
  for (const entry of names.values()) takeGraph(entry);
}

function addNames(module, path, holder, classes) {
  for (const key of Object.keys(holder)) {
    const name = new Name(module, [...path, key], holder);
    const value = name.value;
    names.set(name.id, { name, value, graph: undefined });
    if (isClass(value) && !classes.has(value)) addNamedClass(module, name.path, value, classes);
  }
}

function addNamedClass(module, path, Class, classes) {
  classes.add(Class);
  addClass(Class, [module, path]);
  const key = path.at(-1);
  if (!classesByName.has(key)) classesByName.set(key, []);
  classesByName.get(key).push({ id: idOf(module, path), Class });
  addNames(module, path, Class, classes);
}

function takeGraph(entry) {
  const graph = graphOf(entry.value);
  entry.graph = graph;
  if (!graph?.hasCode) return;
  for (const { object, place, node } of placesOf(entry.name, graph)) {
    if (node[0] === "code" && !codeHomes.has(object)) codeHomes.set(object, place);
  }
}

/** Returns undefined for a value that cannot be read. It counts as code. */
function graphOf(value, earlier) {
  try {
    return new ComparedGraph(value, earlier);
  } catch {
    return undefined;
  }
}

/** Returns the objects of a graph that another version can find again, with the way to them. */
function placesOf(name, graph) {
  const count = Math.min(graph?.objects.length ?? 0, MAX_PLACES);
  const steps = count > 0 ? [[]] : [];
  const places = [];
  for (let number = 0; number < count; number++) {
    if (steps[number] === undefined) continue;
    const object = graph.objects[number];
    places.push({ object, node: graph.nodes[number], place: [name.module, name.path, steps[number]] });
    if (count > 1) findSteps(graph, number, object, steps);
  }
  return places;
}

/** Adds the steps to the parts of an object. */
function findSteps(graph, parent, object, steps) {
  visitParts(object, (part, step, key) => {
    if (part === null || (typeof part !== "object" && typeof part !== "function" && typeof part !== "symbol")) return;
    const number = graph.numbers.get(part);
    if (graph.parents[number] === parent && isFollowable(step, key)) steps[number] ??= [...steps[parent], [step, key]];
  });
}

/**
 * Compares the names with what the modules have set.
 *
 * Returns the changed names, and the homes of objects: where another version has an object of its own that takes the place
 * of this one. `isKept` is true if it keeps the content that its source gives it.
 */
export function compareNames() {
  const changed = [];
  const homes = new Map();
  const kept = [];
  for (const { name, value: old, graph } of names.values()) {
    const value = name.value;
    const now = graph && graphOf(value, graph);
    const isChanged = now === undefined ? value !== old : now.isChanged;
    if (isChanged) changed.push(name);
    else kept.push([name, now]);
    // A variable that was set to another object has no object of its own in the other version.
    if (isChanged && value === old) addHomes(homes, name, graph, false);
  }
  for (const [name, graph] of kept) addHomes(homes, name, graph, true);
  return { changed, homes };
}

function addHomes(homes, name, graph, isKept) {
  for (const { object, node, place } of placesOf(name, graph)) {
    if (node[0] !== "code" && (isKept || !homes.has(object))) homes.set(object, { place, isKept, keys: graph.keysOf(node) });
  }
}

/** The home of a value that is code, or undefined. */
export const codeHomeOf = (value) => codeHomes.get(value);

/** Returns the name, or undefined if this version has none. */
export const findName = (module, path) => names.get(idOf(module, path))?.name;

/** Returns what is at a home, or undefined. */
export function findPlace([module, path, steps]) {
  const name = findName(module, path);
  return name && follow(name.value, steps);
}

/** Returns the classes for a home: the one with this name in the module, or those in other modules. */
export function findClasses([module, path]) {
  const found = classesByName.get(path.at(-1)) ?? [];
  const own = found.filter(({ id }) => id === idOf(module, path));
  return (own.length > 0 ? own : found).map(({ Class }) => Class);
}
