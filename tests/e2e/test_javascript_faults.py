"""Faults of plugins in JavaScript: each ends its connection or its instance, or its version is refused."""

import re

import pytest

from javascript_plugin import JavaScriptPlugin

FAULTS = '''import { Consumer } from "narrowboat";

const kept = [];

const faults = {
  loop() { for (;;); },
  "loop that catches"() { for (;;) try { for (;;); } catch {} },
  "loop of promises"() { const spin = () => { Promise.resolve().then(spin); }; spin(); },
  "promises that wait for each other"() { const spin = () => Promise.resolve().then(spin); return spin(); },
  "small memory"() { for (;;) kept.push({}); },
  recursion() { const deeper = () => 1 + deeper(); deeper(); },
  "recursion of a getter"() { const odd = { get self() { return odd.self; } }; odd.self; },
  "recursion of a proxy"() { const odd = new Proxy({}, { get: (_, key, self) => self[key] }); odd.x; },
  "deep text"() { let deep = []; for (let i = 0; i < 1e5; i++) deep = [deep]; JSON.stringify(deep); },
  memory() { for (;;) kept.push(new Array(1000).fill(kept.length)); },
  "long text"() { let text = "x"; for (;;) text += text; },
  "regular expression"() { /^(a+)+$/.test("a".repeat(40) + "b"); },
  "large buffer"() { new ArrayBuffer(1e9); },
  "odd error"() { throw Object.defineProperty(new Error(), "message", { get() { for (;;); } }); },
  "thrown null"() { throw null; },
  "thrown object"() { throw { toString() { throw new Error("inner"); } }; },
  "thrown data"() { throw { a: 1 }; },
  "odd stack"() { const error = new Error("odd"); error.stack = "x".repeat(1e6); throw error; },
  "deep message"() { let deep = {}; for (let i = 0; i < 1000; i++) deep = { deep }; this.group("a").send({ type: "a", deep }); },
  "cyclic message"() { const cycle = { type: "a" }; cycle.cycle = cycle; this.group("a").send(cycle); },
  "function in a message"() { this.group("a").send({ type: "a", list: [() => 1] }); },
  "name that is no text"() { this.group({ toString() { throw new Error("no name"); } }).join(); },
  "frame that is no frame"() { this.send(() => 1); },
  "too many timers"() { for (let i = 0; i < 100; i++) setTimeout(() => {}, 1e6); },
};

const changes = {
  prototypes() { Object.prototype.then = () => {}; Object.prototype.status = 200; Array.prototype[Symbol.iterator] = null; },
  promises() { Promise.prototype.then = () => {}; globalThis.Promise = null; },
  maps() { Map.prototype.get = Map.prototype.set = WeakMap.prototype.get = () => undefined; },
  globals() { for (const name of Object.getOwnPropertyNames(globalThis)) try { delete globalThis[name]; } catch {} },
};

export default class Faulty extends Consumer {
  receive(text) {
    if (text === "hello") return this.send("hello");
    if (changes[text]) { changes[text](); return this.send("changed"); }
    return faults[text].call(this);
  }
}
'''

CONNECTION = [
    "loop", "loop of promises", "recursion", "recursion of a getter", "recursion of a proxy", "thrown null", "thrown object", "odd stack", "deep message", "cyclic message", "function in a message",
    "name that is no text", "frame that is no frame", "too many timers", "large buffer", "odd error", "loop that catches", "long text",
]  # fmt: skip
INSTANCE = ["memory", "small memory", "promises that wait for each other", "regular expression", "deep text"]
CHANGES = ["prototypes", "promises", "maps", "globals"]


@pytest.fixture(scope="module")
def faulty(serving_source):
    with serving_source(JavaScriptPlugin, FAULTS) as plugin:
        yield plugin


@pytest.mark.parametrize("fault", CONNECTION)
def test_a_fault_ends_its_connection_alone(faulty, fault):
    failing, other = faulty.clients(2)
    failing.send(fault)
    assert failing.ended()[0] == 1011
    assert other.ask("hello") == "hello"


@pytest.mark.parametrize("fault", INSTANCE)
def test_a_fault_that_no_exception_stops_ends_its_instance_at_most(faulty, fault):
    failing = faulty.connect()
    failing.send(fault)
    assert failing.ended()[0] in (1011, 1012)
    assert faulty.connect().ask("hello") == "hello"


@pytest.mark.parametrize("change", CHANGES)
def test_a_version_takes_the_place_of_one_that_has_broken_its_globals(javascript, change):
    plugin = javascript(FAULTS, table={"on_failed_move": "restart"})
    plugin.connect().send(change)
    plugin.swap(FAULTS.replace('this.send("hello")', 'this.send("new")'))
    assert plugin.connect().ask("hello") == "new"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("for (;;);", r"CallTimeout|load_time"),
        ("await new Promise(() => {});", r"waits at its top level"),
        ("const deeper = () => 1 + deeper(); deeper();", r"call stack"),
        ("x" + "[" * 100_000, r"consumers\.js|stack|cannot be loaded"),
        ("throw new Error('at import');", r"Error: at import"),
        ("const text = 'x'; text = 'y';", r"TypeError.*read-only|consumers\.js"),
        ("const all = []; for (;;) all.push(new Array(1000).fill(0));", r"memory|load_time|CallTimeout"),
    ],
    ids=["loop", "wait", "recursion", "nesting", "throw", "constant", "memory"],
)
def test_a_module_that_fails_while_it_is_loaded_is_refused(javascript, source, words):
    plugin = javascript(FAULTS)
    client = plugin.connect()
    assert re.search(words, plugin.refuse(source + "\n" + FAULTS))
    assert client.ask("hello") == "hello"


@pytest.mark.parametrize("source", ["const = 1;", "throw new Error('at import');", "import './none.js';"], ids=["syntax", "throw", "import"])
def test_the_log_has_the_refusal_of_a_module_alone(javascript, source):
    plugin = javascript(FAULTS)
    plugin.refuse(source + "\n" + FAULTS)
    assert "a promise was rejected" not in plugin.host.log()


def test_a_thrown_object_is_shown_as_json(faulty):
    since = len(faulty.host.log())
    faulty.connect().send("thrown data")
    faulty.host.logged(re.escape('{"a":1} was thrown'), since)
