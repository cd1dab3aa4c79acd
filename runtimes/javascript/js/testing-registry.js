/** The tests that a file declares, and the order in which the parts of one run. */

import { setHostOpen } from "./testing-host.js";

const EXAMPLE = 'test("a text comes back", () => { … })';

/** The declared tests by name. */
const tests = new Map();

/** The suite of the file or of the `describe` that is loaded now. */
let suite;

/** Whether a test runs, which cannot declare another one. */
let isRunning = false;

/** A file or a group of tests, with what runs before and after each of them. */
class Suite {
  constructor(name, path, parent, isSkipped) {
    this.name = name;
    this.path = path;
    this.parent = parent;
    this.isSkipped = isSkipped;
    this.before = [];
    this.after = [];
  }

  /** This suite and those around it, innermost first. */
  *chain() {
    for (let each = this; each !== undefined; each = each.parent) yield each;
  }
}

/** Begins the file whose module is loaded next. */
export function beginFile(path) {
  suite = new Suite(path, path, undefined, false);
}

/** The declared tests, with the stacks of their declarations. */
export function declaredTests() {
  return [...tests.values()].map(({ name, suite: { path }, stack }) => ({ name, path, stack }));
}

/** Runs a test. Returns a promise of the reason for which it is skipped, or of null. */
export async function run(name) {
  const found = tests.get(name);
  if (found === undefined) throw new Error(`there is no test ${name}`);
  if (found.isSkipped) return "marked with skip";
  isRunning = true;
  setHostOpen(true);
  forbidTimers();
  await runSteps(found);
  return null;
}

async function runSteps({ suite, body }) {
  const suites = [...suite.chain()];
  const failures = [];
  const attempt = async (step) => {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  };
  const before = suites.toReversed().flatMap((each) => each.before);
  for (const step of [...before, body]) {
    if (failures.length === 0) await attempt(step);
  }
  for (const step of suites.flatMap((each) => each.after)) await attempt(step);
  if (failures.length > 0) throw failures[0];
}

/** Makes timers of a test an error that says how to let time pass. */
function forbidTimers() {
  for (const name of ["setTimeout", "setInterval"]) {
    globalThis[name] = () => {
      throw new Error(`a test has no ${name}: advance(100) from "narrowboat/testing" lets 100 ms pass`);
    };
  }
}

function declare(name, body, isSkipped) {
  checkDeclaration("test", name);
  if (typeof body !== "function") throw new TypeError(`a test has a name and a function: ${EXAMPLE}`);
  checkArguments(body);
  const full = fullName(name);
  if (tests.has(full)) throw new Error(`two tests have the name ${full}`);
  tests.set(full, { name: full, suite, body, isSkipped: isSkipped || suite.isSkipped, stack: new Error().stack });
}

function declareSuite(name, body, isSkipped) {
  checkDeclaration("describe", name);
  if (typeof body !== "function") throw new TypeError("describe has a name and a function that declares tests");
  const outer = suite;
  suite = new Suite(fullName(name), outer.path, outer, isSkipped || outer.isSkipped);
  try {
    if (typeof body()?.then === "function") throw new TypeError("the function of describe cannot be async");
  } finally {
    suite = outer;
  }
}

function checkDeclaration(what, name) {
  if (typeof name !== "string" || name.trim() === "") throw new TypeError(`the first argument of ${what} is a name`);
  checkLoading(what);
}

function checkLoading(what) {
  if (isRunning) throw new Error(`${what} is called while a test runs: call it at the top of the file or in describe`);
  if (suite === undefined) throw new Error(`${what} is called outside a file of tests, such as chat.test.js`);
}

function fullName(name) {
  return `${suite.name} > ${name.trim().replace(/\s+/g, " ")}`;
}

/** Declares a test. */
export function test(name, body) {
  declare(name, body, false);
}

/** Declares a test that does not run. */
test.skip = (name, body = () => {}) => declare(name, body, true);

/** What takes the place of functions of Vitest and Jest that are not there. */
const ABSENT = { only: "narrowboat test --filter TEXT runs some tests", each: "call it in a loop", todo: "use skip" };

function addAbsent(what, declaring) {
  for (const [name, instead] of Object.entries(ABSENT)) {
    declaring[name] = () => {
      throw new TypeError(`there is no ${what}.${name}: ${instead}`);
    };
  }
}

addAbsent("test", test);

/** Declares a group of tests. */
export function describe(name, body) {
  declareSuite(name, body, false);
}

/** Declares a group of tests that do not run. */
describe.skip = (name, body) => declareSuite(name, body, true);

addAbsent("describe", describe);

function addStep(what, steps, step) {
  checkLoading(what);
  if (typeof step !== "function") throw new TypeError(`${what} has a function`);
  checkArguments(step);
  suite[steps].push(step);
}

/** A function that waits for the call of an argument would pass at once. */
function checkArguments(step) {
  if (step.length > 0) throw new TypeError("the function of a test gets no argument: it may be async");
}

/** Runs a function before each test of the file or of the group. */
export function beforeEach(step) {
  addStep("beforeEach", "before", step);
}

/** Runs a function after each test of the file or of the group, also after one that fails. */
export function afterEach(step) {
  addStep("afterEach", "after", step);
}
