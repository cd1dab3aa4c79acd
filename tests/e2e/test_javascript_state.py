"""Source plugins in JavaScript and TypeScript: state that survives a change of the source under open connections."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from admin import ADMIN, Admin
from support import eventually

both_isolations = pytest.mark.parametrize("isolation", ["shared", "connection"])

# Answers with the value of an expression. `v1` is the name of the version.
EVALUATOR = """
import { Consumer } from "narrowboat";

const VERSION = "v1";

export default class Chat extends Consumer {
  receive(text) {
    this.send(JSON.stringify(eval(text) ?? null));
  }
}
"""
V2 = ('"v1"', '"v2"')


def evaluator(*lines, members=(), connect=()):
    """A source with further lines in the module, further members of the class, and lines in `connect`."""
    text = EVALUATOR.replace('"v1";\n', '"v1";\n' + "\n".join(lines) + "\n")
    body = "".join(f"    {line}\n" for line in connect)
    members = "".join(f"  {line}\n" for line in members)
    return text.replace("  receive", f"{members}  connect() {{\n{body}  }}\n\n  receive")


def value(client, expression):
    return json.loads(client.ask(f"[{expression}]"))


def run(client, statement):
    """Runs a statement in the plugin."""
    client.ask(f"{{ {statement} }}; null")


# Consumers and modules.


@both_isolations
def test_the_fields_of_a_consumer_move(javascript, isolation):
    plugin = javascript(evaluator(members=["count = 0;", "names = [];"]), isolation=isolation)
    clients = plugin.clients(2)
    for number, client in enumerate(clients):
        run(client, f"this.count += {number + 5}; this.names.push('ada')")
    plugin.edit(V2)
    assert [value(client, "VERSION, this.count, this.names") for client in clients] == [["v2", 5, ["ada"]], ["v2", 6, ["ada"]]]


@both_isolations
def test_the_variables_that_code_has_changed_move(javascript, isolation):
    plugin = javascript(evaluator("let count = 0;", "const names = [];", "const table = { a: [1] };"), isolation=isolation)
    client = plugin.connect()
    run(client, "count += 1; names.push('ada'); table.a.push(2); table.b = {}")
    plugin.edit(V2)
    assert value(client, "VERSION, count, names, table") == ["v2", 1, ["ada"], {"a": [1, 2], "b": {}}]


@both_isolations
def test_a_variable_that_only_the_source_changes_gets_its_new_value(javascript, isolation):
    plugin = javascript(
        evaluator("const limit = 1;", "const names = ['old'];", "const table = { a: 1 };", "let count = 0;"), isolation=isolation
    )
    client = plugin.connect()
    run(client, "count = 7")
    plugin.edit(V2, ("limit = 1", "limit = 2"), ("'old'", "'new'"), ("a: 1", "a: 2"), ("count = 0", "count = 100"))
    assert value(client, "limit, names, table, count") == [2, ["new"], {"a": 2}, 7]


@both_isolations
def test_the_static_fields_of_a_class_move_if_code_has_changed_them(javascript, isolation):
    plugin = javascript(evaluator("class Counter {", "  static count = 0;", "  static step = 1;", "}"), isolation=isolation)
    client = plugin.connect()
    run(client, "Counter.count += Counter.step")
    plugin.edit(V2, ("step = 1", "step = 10"))
    run(client, "Counter.count += Counter.step")
    assert value(client, "Counter.count") == [11]


@both_isolations
def test_the_state_survives_many_swaps(javascript, isolation):
    plugin = javascript(evaluator("const log = [];", members=["log = [];"]), isolation=isolation)
    client = plugin.connect()
    for number in range(2, 6):
        run(client, f"this.log.push({number}); log.push({number})")
        plugin.edit((f'"v{number - 1}"', f'"v{number}"'))
    assert value(client, "VERSION, this.log, log") == ["v5", [2, 3, 4, 5], [2, 3, 4, 5]]


@both_isolations
def test_modules_share_their_state_after_a_move(javascript, isolation):
    rooms = "export const rooms = new Map();\nexport let count = 0;\nexport const enter = (name) => { count += 1; rooms.set(name, { name }); };\n"
    plugin = javascript(
        evaluator('import * as lib from "./lib/rooms.js";', "let latest = null;", members=["room = null;"]),
        {"lib/rooms.js": rooms},
        isolation=isolation,
    )
    client = plugin.connect()
    run(client, "lib.enter('red'); this.room = latest = lib.rooms.get('red')")
    plugin.edit(V2)
    run(client, "lib.enter('blue')")
    assert value(client, "lib.count, [...lib.rooms.keys()], this.room === lib.rooms.get('red') && latest === this.room") == [2, ["red", "blue"], True]


def test_types_do_not_keep_state_from_moving(typescript):
    source = evaluator("interface Entry { name: string }", "let count: number = 0;", "const entries = new Map<string, Entry>();")
    plugin = typescript(source.replace("receive(text)", "receive(text: string): void"))
    client = plugin.connect()
    run(client, "count++; entries.set('a', { name: 'ada' })")
    plugin.edit(V2)
    assert value(client, "VERSION, count, entries.get('a').name") == ["v2", 1, "ada"]


def test_a_plugin_in_javascript_that_becomes_one_in_typescript_keeps_its_state(javascript):
    plugin = javascript(evaluator("const names = [];", members=["count = 0;"]))
    client = plugin.connect()
    run(client, "names.push('ada'); this.count = 3")
    plugin.swap(files={"consumers.ts": plugin.edited(V2).replace("receive(text)", "receive(text: string)"), "consumers.js": None})
    assert value(client, "VERSION, names, this.count") == ["v2", ["ada"], 3]


# Constants, which are restored in place.


@pytest.mark.parametrize("initial, change, expression, expected", [
    ("new Map()", "box.set('a', 1)", "[...box]", [["a", 1]]),
    ("new Set(['old'])", "box.delete('old'); box.add('new')", "[...box]", ["new"]),
    ("[1, 2, 3]", "box.shift()", "box", [2, 3]),
    ("{ a: 1, b: 2 }", "delete box.a; box.c = 3", "box", {"b": 2, "c": 3}),
    ("new Room('x')", "box.name = 'y'", "[box.name, box instanceof Room]", ["y", True]),
    ("new Uint8Array(2)", "box[1] = 7", "[...box]", [0, 7]),
    ("new Date(0)", "box.setTime(5)", "box.getTime()", 5),
    ("Object.freeze({ inner: new Set() })", "box.inner.add(1)", "[...box.inner]", [1]),
])
def test_a_constant_is_restored_in_place(javascript, initial, change, expression, expected):
    room = "class Room { constructor(name) { this.name = name; } }"
    plugin = javascript(evaluator(room, f"const box = {initial};", "const isSame = (other) => box === other;", "const holder = () => box;"))
    client = plugin.connect()
    run(client, change)
    plugin.edit(V2)
    assert value(client, f"VERSION, {expression}, isSame(holder())") == ["v2", expected, True]


def test_the_functions_of_an_object_are_code_and_its_fields_are_state(javascript):
    plugin = javascript(evaluator("const game = { score: 0, add() { this.score += 1; }, name: () => 'v1 game' };"))
    client = plugin.connect()
    run(client, "game.add()")
    plugin.edit(V2, ("+= 1", "+= 10"), ("v1 game", "v2 game"), ("score: 0", "score: 0, lives: 3"))
    run(client, "game.add()")
    assert value(client, "game.score, game.name(), game.lives") == [11, "v2 game", 3]


def test_a_function_that_the_new_source_removes_from_an_object_is_gone(javascript):
    plugin = javascript(evaluator("const game = { score: 0, add() { this.score += 1; } };"))
    client = plugin.connect()
    run(client, "game.add()")
    plugin.edit(V2, (", add() { this.score += 1; }", ""))
    assert value(client, "game.score, Object.keys(game)") == [1, ["score"]]
    plugin.host.logged("this version has no game.add in consumers.js with state: its value is dropped")


def test_a_consumer_that_refers_to_an_unchanged_constant_refers_to_that_of_the_new_source(javascript):
    plugin = javascript(evaluator("const rules = { limit: 1, list: [{ id: 1 }] };", connect=["this.rules = rules; this.first = rules.list[0];"]))
    client = plugin.connect()
    plugin.edit(V2, ("limit: 1", "limit: 2"))
    assert value(client, "this.rules === rules, this.first === rules.list[0], this.rules.limit") == [True, True, 2]


# Identity.

ROOMS = """
const clients = [];
const members = new Set();
const byName = new Map();
const rooms = {};
let latest = null;

class Room {
  constructor(name) {
    this.name = name;
    this.members = [];
    this.room = this;
  }
}
"""
ENTER = [
    "clients.push(this); members.add(this); byName.set(this.scope.query.name, this); latest = this;",
    "rooms.lobby ??= new Room('lobby');",
    "this.room = rooms.lobby; this.room.members.push(this); this.me = this; this.lobby = this.group('lobby');",
]


@pytest.mark.parametrize("expression", [
    "clients.includes(this) && members.has(this)",
    "byName.get(this.scope.query.name) === this",
    "clients.length === 3 && members.size === 3 && byName.size === 3",
    "this.room === rooms.lobby",
    "this.room.room === this.room",
    "this.room.members.every((member, index) => member === clients[index])",
    "new Set(clients.map((client) => client.room)).size === 1",
    "this.me === this",
    "latest === clients[2] && latest === byName.get('c')",
    "new Set(clients.map((client) => client.channelName)).size === 3",
    "this.room instanceof Room && this instanceof Chat",
    "this.lobby.name === 'lobby' && this.lobby.join() === undefined",
])
def test_objects_that_consumers_and_the_module_share_stay_one_object(javascript, expression):
    plugin = javascript(evaluator(ROOMS, connect=ENTER))
    clients = [plugin.connect(f"name={name}") for name in "abc"]
    plugin.edit(V2)
    assert [value(client, f"VERSION, {expression}") for client in clients] == [["v2", True]] * 3


def test_a_set_of_clients_reaches_them_and_later_ones_after_a_swap(javascript):
    plugin = javascript("""
import { Consumer, broadcast } from "narrowboat";

const clients = new Set();

export default class extends Consumer {
  connect() { clients.add(this); }
  receive(text) { broadcast(clients, "v1 " + text); }
  disconnect() { clients.delete(this); }
}
""")
    clients = plugin.clients(3)
    plugin.edit(('"v1 "', '"v2 "'))
    clients.append(plugin.connect())
    clients[0].send("hello")
    assert [client.recv() for client in clients] == ["v2 hello"] * 4
    clients.pop(0).close()
    clients[0].send("two")
    assert [client.recv() for client in clients] == ["v2 two"] * 3


def test_a_consumer_that_the_plugin_keeps_after_its_end_moves_as_a_closed_one(javascript):
    plugin = javascript(evaluator("const everyone = new Set();", "let closed = 0;", members=["name = '';", "disconnect() { closed += 1; }"], connect=["everyone.add(this);"]))
    first, second = plugin.clients(2)
    run(first, "this.name = 'ada'")
    first.close()
    eventually(lambda: value(second, "closed") == [1], "the end of the first")
    plugin.edit(V2)
    assert value(second, "VERSION, [...everyone].map((each) => each.name)") == ["v2", ["ada", ""]]
    second.send("for (const each of everyone) each.send('hello'); null")
    assert second.take(2) == ["hello", "null"]


@both_isolations
def test_connections_stay_in_their_groups(javascript, isolation):
    plugin = javascript("""
import { Consumer } from "narrowboat";

export default class extends Consumer {
  connect() { this.group("everyone").join(); }
  receive(text) { this.group("everyone").send({ type: "said", text: "v1 " + text }); }
  onSaid({ text }) { this.send(text); }
}
""", isolation=isolation)
    first, second = plugin.clients(2)
    plugin.edit(('"v1 "', '"v2 "'))
    third = plugin.connect()
    third.send("hello")
    assert [client.recv() for client in (first, second, third)] == ["v2 hello"] * 3


def test_the_state_of_200_consumers_moves(javascript):
    plugin = javascript(evaluator("const members = new Map();", members=["number = 0;"], connect=["this.number = members.size; members.set(this.number, this);"]))
    clients = plugin.clients(200)
    line = plugin.edit(V2)
    assert " moved=200 " in line
    answers = [value(client, "VERSION, this.number, members.get(this.number) === this, members.size") for client in clients]
    assert answers == [["v2", number, True, 200] for number in range(200)]


# Other sources.


@both_isolations
def test_a_field_that_a_version_adds_has_its_default(javascript, isolation):
    plugin = javascript(evaluator(members=["name = '';"], connect=["this.name = 'ada';"]), isolation=isolation)
    client = plugin.connect()
    plugin.edit(V2, ("name = '';", "name = ''; topic = 'nothing'; marks = []; #secret = 5; secret() { return this.#secret; }"))
    assert value(client, "this.name, this.topic, this.marks, this.secret()") == ["ada", "nothing", [], 5]


@both_isolations
@pytest.mark.parametrize("migrate", [
    "migrate({ nick, ...old }) { return { ...old, name: nick }; }",
    "migrate(old) { old.name = old.nick; delete old.nick; }",
], ids=["returned", "changed"])
def test_a_method_migrate_renames_fields(javascript, isolation, migrate):
    plugin = javascript(evaluator(members=["nick = 'eve';", "age = 0;"], connect=["this.nick = 'ada'; this.age = 36;"]), isolation=isolation)
    client = plugin.connect()
    plugin.edit(V2, ("nick = 'eve';", f"name = ''; {migrate}"), ("this.nick", "this.name"))
    assert value(client, "this.name, this.age, 'nick' in this") == ["ada", 36, False]


@both_isolations
def test_a_field_that_the_class_no_longer_declares_stays(javascript, isolation):
    plugin = javascript(evaluator(members=["name = 'ada';"]), isolation=isolation)
    client = plugin.connect()
    plugin.edit(V2, ("  name = 'ada';\n", ""))
    assert value(client, "VERSION, this.name") == ["v2", "ada"]


@both_isolations
def test_a_variable_that_a_version_removes_is_dropped(javascript, isolation):
    plugin = javascript(evaluator("const old = [];", "let count = 0;"), isolation=isolation)
    client = plugin.connect()
    run(client, "count = 3; old.push(1)")
    plugin.edit(V2, ("const old = [];\n", ""))
    assert value(client, "count, typeof old") == [3, "undefined"]
    plugin.host.logged(r"this version has no old in consumers\.js with state: its value is dropped")


@both_isolations
def test_an_object_finds_its_class_in_another_module(javascript, isolation):
    room = "class Room {\n  constructor(name) { this.name = name; }\n  get version() { return 'old'; }\n}\n"
    plugin = javascript(evaluator(room, "const hall = new Room('lobby');", connect=["this.room = new Room('own');"]), isolation=isolation)
    client = plugin.connect()
    run(client, "hall.name = 'hall'")
    text = plugin.edited(V2, (room, 'import { Room } from "./lib/rooms.js";\n'))
    plugin.swap(text, files={"lib/rooms.js": f"export {room}".replace("old", "new")})
    assert value(client, "VERSION, hall.name, this.room.name, this.room instanceof Room, hall.version") == ["v2", "hall", "own", True, "new"]


@both_isolations
def test_the_class_of_the_consumer_may_have_another_name(javascript, isolation):
    plugin = javascript(evaluator(connect=["this.name = 'ada';"]), isolation=isolation)
    client = plugin.connect()
    plugin.edit(V2, ("class Chat", "class Renamed"))
    assert value(client, "this.constructor.name, this.name") == ["Renamed", "ada"]


# Types.


@pytest.mark.parametrize("made, check", [
    ("undefined", "it === undefined"),
    ("NaN", "Object.is(it, NaN)"),
    ("-0", "Object.is(it, -0)"),
    ("-Infinity", "it === -Infinity"),
    ("1.5", "it === 1.5"),
    ("2 ** 53", "it === 2 ** 53"),
    ("10n ** 40n", "it === 10n ** 40n"),
    ("'\\ud800 \\0 ü'", "it === '\\ud800 \\0 ü'"),
    ("Symbol.for('name')", "it === Symbol.for('name')"),
    ("new Date(1234)", "it instanceof Date && it.getTime() === 1234"),
    ("new Date(NaN)", "Number.isNaN(it.getTime())"),
    ("/a+/giu", "it instanceof RegExp && String(it) === '/a+/giu' && it.test('xAA')"),
    ("{ '\\udc00 key': 1, '': 2, 'a b': [[]] }", "it['\\udc00 key'] === 1 && it[''] === 2 && it['a b'][0].length === 0"),
    ("[1, , 3]", "it.length === 3 && it[1] === undefined && it[2] === 3"),
    ("new Map([[{ a: 1 }, 'b'], ['c', new Map()]])", "[...it.keys()][0].a === 1 && it.get('c') instanceof Map"),
    ("new Set([1, '1', null])", "it.size === 3 && it.has('1') && it.has(null)"),
    ("Object.assign(Object.create(null), { a: 1 })", "Object.getPrototypeOf(it) === null && it.a === 1"),
    ("JSON.parse('{\"__proto__\": 1}')", "Object.keys(it)[0] === '__proto__' && it.__proto__ === 1"),
    ("new Uint8Array([1, 2, 3]).buffer", "it instanceof ArrayBuffer && new Uint8Array(it)[2] === 3"),
    ("new Float64Array([0.5, -1])", "it instanceof Float64Array && it[0] === 0.5 && it.length === 2"),
    ("new BigInt64Array([5n])", "it[0] === 5n"),
    ("new Uint16Array(new ArrayBuffer(8), 2, 2)", "it.byteOffset === 2 && it.length === 2 && it.buffer.byteLength === 8"),
    ("new DataView(new ArrayBuffer(3), 1)", "it instanceof DataView && it.byteLength === 2"),
    ("new RangeError('too far', { cause: 'x' })", "it instanceof RangeError && it.message === 'too far' && it.cause === 'x'"),
    ("new URL('http://a.example/b?c=d')", "it instanceof URL && it.href === 'http://a.example/b?c=d'"),
    ("new URLSearchParams('a=1&b=2')", "it.get('b') === '2'"),
    ("new TextDecoder('utf-8', { fatal: true })", "it.fatal && it.decode(new TextEncoder().encode('ü')) === 'ü'"),
    ("new Headers({ accept: 'text/plain' })", "it.get('Accept') === 'text/plain'"),
    ("new ClientError('too long', 4001)", "it instanceof ClientError && it.code === 4001 && it.reason === 'too long'"),
    ("new Point(1, 2)", "it instanceof Point && it.sum() === 3"),
    ("new Names([['a', 1]])", "it instanceof Names && it.get('a') === 1 && it.label === 'names'"),
    ("new Wrong('odd', 7)", "it instanceof Wrong && it instanceof Error && it.code === 7 && it.message === 'odd'"),
    ("Point", "it === Point"),
    ("double", "it === double && it(2) === 4"),
])
def test_values_of_this_type_move(javascript, made, check):
    types = """
class Point { constructor(x, y) { this.x = x; this.y = y; } sum() { return this.x + this.y; } }
class Names extends Map { label = "names"; }
class Wrong extends Error { constructor(text, code) { super(text); this.code = code; } }
const double = (number) => 2 * number;
let it = 0;
const used = () => [URL, URLSearchParams, TextDecoder, TextEncoder, Headers];
"""
    plugin = javascript(evaluator(types, members=["it = 0;"]).replace("{ Consumer }", "{ ClientError, Consumer }"))
    client = plugin.connect()
    run(client, f"it = {made}; this.it = {made}")
    plugin.edit(V2)
    assert value(client, f"VERSION, {check}, ((it) => {check})(this.it)") == ["v2", True, True]


def test_a_chain_of_many_objects_moves(javascript):
    plugin = javascript(evaluator("let chain = null;"))
    client = plugin.connect()
    run(client, "for (let number = 0; number < 10_000; number++) chain = { chain }")
    plugin.edit(V2)
    assert value(client, "VERSION, (() => { let length = 0; for (let at = chain; at; at = at.chain) length++; return length; })()") == ["v2", 10_000]


# The method `restored`, and timers.


@both_isolations
@pytest.mark.parametrize("define, wait", [("", ""), ("async ", "await null;")], ids=["sync", "async"])
def test_restored_runs_after_a_move(javascript, isolation, define, wait):
    plugin = javascript(f"""
import {{ Consumer }} from "narrowboat";

export default class extends Consumer {{
  receive() {{ this.send("v1"); }}
  {define}restored() {{ {wait} this.send("restored in v1"); }}
}}
""", isolation=isolation)
    client = plugin.connect()
    plugin.edit(('"v1"', '"v2"'), ("in v1", "in v2"))
    assert client.recv() == "restored in v2"
    assert client.ask("version") == "v2"


BEATER = """
import { Consumer } from "narrowboat";

export default class extends Consumer {
  connect() { this.start(); }
  restored() { this.start(); }
  start() { this.beat = setInterval(() => this.send("v1"), 20); }
}
"""


@both_isolations
def test_restored_starts_an_interval_again(javascript, isolation):
    plugin = javascript(BEATER, isolation=isolation)
    client = plugin.connect()
    assert client.recv() == "v1"
    plugin.edit(('"v1"', '"v2"'))
    plugin.host.logged("1 timer does not move to the new version")
    eventually(lambda: client.recv() == "v2", "a beat of the new version")
    assert client.take(3) == ["v2"] * 3


def test_a_timer_of_the_old_version_is_gone_after_a_move(javascript):
    plugin = javascript(evaluator())
    client = plugin.connect()
    run(client, "setTimeout(() => this.send('old'), 300)")
    plugin.edit(V2)
    plugin.host.logged(r"1 timer does not move to the new version: set them again in a method restored\(\)")
    run(client, "setTimeout(() => this.send('new'), 600)")
    assert client.recv() == "new"


def test_the_number_of_an_old_timer_means_no_timer_of_the_new_version(javascript):
    plugin = javascript(evaluator(members=["timer = 0;"]))
    client, other = plugin.clients(2)
    run(client, "this.timer = setTimeout(() => {}, 3_600_000)")
    plugin.edit(V2)
    run(other, "setTimeout(() => this.send('new'), 200)")
    run(client, "clearTimeout(this.timer)")
    assert other.recv() == "new"


# State that cannot move.


@pytest.mark.parametrize("statement, named", [
    ("this.callback = () => 1", "Chat.callback is a function, which cannot be saved (a field of the consumer)"),
    ("this.names = { a: [1, function* () {}] }", "Chat.names.a[1] is a function, which cannot be saved"),
    ("this.table = new Map([['a b', { 'c d': Promise.resolve() }]])", 'Chat.table.get("a b")["c d"] is a Promise, which cannot be saved'),
    ("this.weak = new WeakMap()", "Chat.weak is a WeakMap, which cannot be saved"),
    ("this.set = new Set([Symbol('x')])", "an element of Chat.set is a symbol, which cannot be saved"),
    ("this.odd = new (class Odd {})()", "Chat.odd is an instance of Odd, which is no class at the top of a module of the plugin, which cannot be saved"),
    ("stream = (function* () {})()", "stream is a Generator, which cannot be saved (a variable of consumers.js)"),
])
def test_state_that_cannot_be_saved_refuses_the_move_with_its_name(javascript, statement, named):
    plugin = javascript(evaluator("let stream = null;", connect=["this.name = 'ada';"]))
    client, other = plugin.clients(2)
    run(client, statement)
    reason = plugin.refuse(plugin.edited(V2))
    assert named in reason.replace('\\"', '"')
    assert [value(each, "VERSION, this.name") for each in (client, other)] == [["v1", "ada"]] * 2
    assert value(plugin.connect(), "VERSION") == ["v1"]


def test_functions_that_the_constructor_sets_are_code(javascript):
    plugin = javascript(evaluator(members=["count = 0;", "add = () => { this.count += 1; };"]))
    client = plugin.connect()
    run(client, "this.add()")
    plugin.edit(V2, ("+= 1", "+= 10"))
    run(client, "this.add()")
    assert value(client, "VERSION, this.count") == ["v2", 11]


def test_the_version_goes_live_after_the_connection_that_cannot_be_saved_has_closed(javascript):
    plugin = javascript(evaluator())
    client, other = plugin.clients(2)
    run(client, "this.call = () => 1")
    plugin.refuse(plugin.edited(V2))
    client.close()
    plugin.edit(('"v2"', '"v3"'))
    assert value(other, "VERSION") == ["v3"]


@pytest.mark.parametrize("policy, count", [("restart", "restarted=1"), ("close", "closed=1")])
def test_a_consumer_that_cannot_be_saved_ends_by_the_policy_and_the_others_move(javascript, policy, count):
    plugin = javascript(evaluator("let count = 0;", connect=["this.name = 'ada';"]), table={"on_failed_move": policy})
    client, *others = plugin.clients(3)
    run(client, "this.call = () => 1")
    run(others[0], "count = 7; this.name = 'bob'")
    line = plugin.edit(V2)
    assert " moved=2 " in line and count in line
    assert [value(each, "VERSION, this.name, count") for each in others] == [["v2", "bob", 7], ["v2", "ada", 7]]
    if policy == "restart":
        assert value(client, "VERSION, this.name, 'call' in this") == ["v2", "ada", False]
    else:
        assert client.ended() == (1012, "state lost in an update")


def test_only_the_consumer_that_cannot_be_saved_stays_with_isolation_connection(javascript):
    plugin = javascript(evaluator(connect=["this.name = 'ada';"]), isolation="connection")
    client, *others = plugin.clients(4)
    run(client, "this.call = () => 'a'")
    plugin.edit(V2)
    plugin.host.logged("Chat.call is a function, which cannot be saved")
    assert value(client, "VERSION, this.call()") == ["v1", "a"]
    assert [value(each, "VERSION, this.name") for each in others] == [["v2", "ada"]] * 3


@both_isolations
@pytest.mark.parametrize("old, new, reason", [
    ("  connect", "  migrate() { throw new RangeError('no nick'); }\n  connect", r"RangeError: no nick \(consumers\.js:\d+"),
    ("  connect", "  restored() { throw new RangeError('not ready'); }\n  connect", r"RangeError: not ready \(consumers\.js:\d+"),
    ("Room", "Hall", r"the state contains an object of Room in consumers\.js, and this version has none with this name"),
], ids=["migrate", "restored", "class"])
def test_a_version_that_cannot_restore_the_state_is_refused(javascript, isolation, old, new, reason):
    plugin = javascript(evaluator("class Room {}", connect=["this.room = new Room();"]), isolation=isolation)
    client = plugin.connect()
    refusal = plugin.refuse(plugin.edited(V2, (old, new)))
    assert re.search(reason, refusal), refusal
    assert value(client, "VERSION, this.room.constructor.name") == ["v1", "Room"]
    assert value(plugin.connect(), "VERSION") == ["v1"]


# Code that waits.

SLEEPER = """
import { Consumer } from "narrowboat";

export default class Sleeper extends Consumer {
  end = "";

  async receive(text) {
    if (text === "version") return this.send("v1 " + this.end);
    this.send("asleep");
    this.end = "began in v1";
    await new Promise((resolve) => setTimeout(resolve, Number(text)));
    this.end = "";
    this.send("awake in v1");
  }
}
"""
SLEEPER_2 = [("in v1", "in v2"), ('"v1 "', '"v2 "')]


@both_isolations
def test_a_handler_that_waits_delays_the_move_until_it_ends(javascript, isolation):
    plugin = javascript(SLEEPER, isolation=isolation, table={"move_wait": "1m"})
    client = plugin.connect()
    assert client.ask("1000") == "asleep"
    plugin.edit(*SLEEPER_2)
    assert client.recv() == "awake in v1"
    assert client.ask("version") == "v2 "


@both_isolations
def test_a_handler_that_waits_longer_than_move_wait_is_left_behind(javascript, isolation):
    plugin = javascript(SLEEPER, isolation=isolation, table={"move_wait": "200ms"})
    client = plugin.connect()
    assert client.ask("3600000") == "asleep"
    plugin.edit(*SLEEPER_2)
    plugin.host.logged(r"handlers still wait .*: Sleeper\.receive")
    assert client.ask("version") == "v2 began in v1"


@both_isolations
def test_messages_that_wait_for_a_handler_are_handled_in_the_new_version(javascript, isolation):
    plugin = javascript(SLEEPER, isolation=isolation, table={"move_wait": "200ms"})
    client = plugin.connect()
    assert client.ask("3600000") == "asleep"
    for _ in range(3):
        client.send("version")
    plugin.edit(*SLEEPER_2)
    assert client.take(3) == ["v2 began in v1"] * 3


@both_isolations
def test_a_handshake_that_waits_delays_the_move(javascript, isolation):
    plugin = javascript(evaluator(connect=["return new Promise((resolve) => setTimeout(resolve, 500));"]), isolation=isolation, table={"move_wait": "1m"})
    with ThreadPoolExecutor() as pool:
        first = plugin.connect()
        later = pool.submit(plugin.connect)
        eventually(lambda: value(first, "VERSION") == ["v1"], "the first version")
        plugin.edit(V2)
        assert [value(client, "VERSION") for client in (first, later.result())] == [["v2"]] * 2


# Rollbacks.


@both_isolations
def test_an_operator_brings_the_old_version_and_its_state_back(javascript, narrowboat, isolation):
    plugin = javascript(evaluator("const names = [];", connect=["this.name = 'first';"]), isolation=isolation, admin=ADMIN)
    first = plugin.connect()
    run(first, "names.push('one')")
    plugin.edit(V2)
    later = plugin.connect()
    run(later, "this.name = 'later'")
    result = narrowboat("rollback", "chat", *Admin(plugin.host).arguments)
    assert result.returncode == 0, result.stderr
    assert value(first, "VERSION, this.name, names.slice(0, 1)") == ["v1", "first", ["one"]]
    assert value(later, "VERSION, this.name") == ["v1", "later"]


FEW = {"window": "1m", "faults_per_thousand": 5, "min_events": 5, "min_clients": 1, "clients_per_hundred": 0}


@both_isolations
def test_a_version_that_fails_is_rolled_back_with_the_state_that_it_was_given(javascript, isolation):
    plugin = javascript(evaluator("const names = [];", connect=["this.count = 1;"]), isolation=isolation, table={"rollback": FEW})
    client, other = plugin.clients(2)
    run(client, "this.count = 7; names.push('one')")
    plugin.edit(V2)
    later = plugin.connect()
    run(later, "this.count = 3")
    run(client, "this.count = 100; names.push('two')")
    for _ in range(3):
        value(other, "1")
    failing = plugin.connect()
    failing.send("missing()")
    plugin.host.logged(r"version rolled back.*faults=\d+")
    assert value(client, "VERSION, this.count, names") == ["v1", 7, ["one"]]
    assert value(later, "VERSION, this.count") == ["v1", 3]
    assert value(other, "VERSION, this.count") == ["v1", 1]
