"""`narrowboat test` runs the tests of plugins in JavaScript and TypeScript, and the module `narrowboat/testing`."""

import json
from collections import namedtuple
from pathlib import Path

import pytest

from javascript_plugin import JavaScriptPlugin, TypeScriptPlugin
from test_javascript import ECHO, consumer

IMPORTS = """\
import * as kit from "narrowboat/testing";
const { Channel, Communicator, advance, afterEach, beforeEach, describe, expect, faults, failRequest, group } = kit;
const { keyvalue, logs, readFile, requests, respond, sendTo, setConfig, swap, test } = kit;
const open = (path = "/chat/", options = {}) => {
  const client = new Communicator(path, options);
  client.connect();
  return client;
};
"""

# The line of the first line after the imports.
FIRST = IMPORTS.count("\n") + 1

Run = namedtuple("Run", ["status", "tests", "error"])


def run_tests(narrowboat, folder):
    """Runs the tests of a plugin. Returns the results by the names of the tests without their files."""
    done = narrowboat("test", folder, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    events = [event for event in lines if event["event"] == "test"]
    errors = [event["message"] for event in lines if event["event"] == "error"]
    for event in events:
        event["file"] = str(Path(event["file"]).relative_to(folder))
    tests = {event["name"].split(" > ", 1)[1]: event for event in events}
    return Run(done.returncode, tests, "\n".join([*errors, done.stderr]))


@pytest.fixture
def tested(narrowboat, tmp_path):
    """Runs tests of a plugin: the text of its consumers, and that of the tests after the imports."""

    def run(source, tests, files=None, plugin=JavaScriptPlugin, **manifest):
        folder = tmp_path / "chat"
        folder.mkdir()
        ending = plugin.MAIN.rpartition(".")[2]
        plugin(folder, source, {f"chat.test.{ending}": IMPORTS + tests} | (files or {}), **manifest)
        return run_tests(narrowboat, folder)

    return run


@pytest.fixture
def passes(tested):
    """Runs tests of a plugin, which pass."""

    def run(source, tests, files=None, **options):
        done = tested(source, tests, files, **options)
        failures = [(name, it["message"], it["line"]) for name, it in done.tests.items() if it["outcome"] != "passed"]
        assert (failures, done.status) == ([], 0), done.error
        assert done.tests
        return done

    return run


# The client.


def test_a_client_sends_and_receives_texts_bytes_and_json(passes):
    passes(
        ECHO,
        """
        test("frames", () => {
          const client = open();
          client.sendTo("hello");
          client.sendTo(new Uint8Array([1, 2]));
          client.sendTo({ a: 1 });
          client.sendJsonTo("text");
          expect(client.receiveFrom()).toBe("hello");
          expect(client.receiveFrom()).toEqual(new Uint8Array([1, 2]));
          expect(client.receiveJsonFrom()).toEqual({ a: 1 });
          expect(client.receiveFrom()).toBe('"text"');
          expect(client.receiveNothing()).toBe(true);
        });
        """,
    )


def test_the_scope_has_what_the_client_sends(passes):
    passes(
        consumer("connect(scope) { this.seen = scope; return { subprotocol: scope.subprotocols[0] }; } receive() { this.send(this.seen); }"),
        """
        test("scope", () => {
          const client = new Communicator("/chat/red%20room/?page=2", {
            headers: { "X-Color": "red" },
            subprotocols: ["v2", "v1"],
            user: { id: 7 },
            params: { room: "red" },
            client: ["192.0.2.1", 1234],
          });
          expect(client.connect()).toMatchObject({ accepted: true, state: "accepted", status: 101, subprotocol: "v2" });
          client.sendTo("");
          expect(client.receiveJsonFrom()).toMatchObject({
            path: "/chat/red room/",
            query: { page: "2" },
            headers: { "x-color": "red" },
            user: { id: 7 },
            params: { room: "red" },
            client: ["192.0.2.1", 1234],
          });
        });
        """,
    )


def test_a_rejection_has_its_status_headers_and_body(passes):
    passes(
        consumer('connect() { throw new Rejected(418, { headers: { "x-why": "tea" }, body: "short and stout" }); }'),
        """
        test("rejection", () => {
          const client = new Communicator("/chat/");
          expect(client.connect()).toMatchObject({
            accepted: false, state: "rejected", status: 418, headers: { "x-why": "tea" }, body: "short and stout",
          });
          expect(() => client.sendTo("hello")).toThrow();
        });
        """,
    )


def test_a_consumer_may_decide_later(passes):
    passes(
        consumer("async connect() { await new Promise((resolve) => setTimeout(resolve, 1000)); }"),
        """
        test("later", () => {
          const client = new Communicator("/chat/");
          expect(client.connect().state).toBe("undecided");
          advance(999);
          expect(client.handshake.state).toBe("undecided");
          advance(1);
          expect(client.handshake.accepted).toBe(true);
        });
        """,
    )


def test_a_close_has_its_code_and_its_reason(passes):
    passes(
        consumer('receive(text) { this.send(text); this.close(4001, "bye"); }'),
        """
        test("close", () => {
          const client = open();
          expect(client.closed).toBeNull();
          client.sendTo("last");
          expect(client.receiveNothing()).toBe(false);
          expect(client.closed).toEqual({ code: 4001, reason: "bye" });
          expect(client.receiveFrom()).toBe("last");
          expect(() => client.receiveFrom()).toThrow('closed with 4001 "bye"');
          expect(client.receiveClose()).toEqual({ code: 4001, reason: "bye" });
          expect(client.receiveNothing()).toBe(true);
        });
        """,
    )


def test_the_consumer_handles_the_end_of_a_client(passes):
    passes(
        consumer("disconnect(code, reason) { console.log(`${code} ${reason}`); }"),
        """
        const ends = () => logs().map(({ message }) => message);
        test("disconnect", () => {
          open().disconnect(3001, "done");
          expect(ends()).toEqual(["3001 done"]);
        });
        test("abort", () => {
          open().abort();
          expect(ends()).toEqual(["1006 "]);
        });
        """,
    )


def test_a_client_that_ends_its_connection_knows_how(passes):
    passes(
        consumer("receive(text) { this.send(text); }"),
        """
        test("disconnect", () => {
          const client = open();
          client.sendTo("last");
          client.disconnect(3001, "done");
          expect(client.closed).toEqual({ code: 3001, reason: "done" });
          expect(client.receiveNothing()).toBe(false);
          expect(client.receiveFrom()).toBe("last");
          expect(client.receiveNothing()).toBe(true);
          expect(client.receiveClose()).toEqual({ code: 3001, reason: "done" });
          expect(() => client.receiveFrom()).toThrow('closed with 3001 "done"');
        });
        test("disconnect without a code", () => {
          const client = open();
          client.disconnect();
          expect(client.receiveClose()).toEqual({ code: 1000, reason: "" });
        });
        test("abort", () => {
          const client = open();
          client.abort();
          expect(client.closed).toEqual({ code: 1006, reason: "" });
          expect(client.receiveNothing()).toBe(true);
          expect(client.receiveClose()).toEqual({ code: 1006, reason: "" });
        });
        """,
    )


# The layer, the clock, the network, the store and the log.


def test_messages_and_frames_reach_the_members_of_a_group(passes):
    passes(
        consumer("connect() { this.group('red').join(); } onChatNews({ text }) { this.send(text); }"),
        """
        test("members", () => {
          const [client, member] = [open(), new Channel()];
          member.group("red").join();
          group("red").send({ type: "chat.news", text: "hello" });
          expect(client.receiveFrom()).toBe("hello");
          expect(member.receive()).toEqual({ type: "chat.news", text: "hello" });
          group("red").sendFrame("frame");
          expect(client.receiveFrom()).toBe("frame");
          expect(member.receive()).toBe("frame");
          member.group("red").leave();
          group("red").leave(client.channelName);
          group("red").send({ type: "chat.news", text: "hello" });
          expect([client.receiveNothing(), member.receiveNothing()]).toEqual([true, true]);
          sendTo(client.channelName, { type: "chat.news", text: "for you" });
          expect(client.receiveFrom()).toBe("for you");
        });
        """,
    )


def test_time_passes_only_when_a_test_lets_it(passes):
    passes(
        consumer("connect() { let count = 0; setInterval(() => this.send(String(++count)), 60_000); }"),
        """
        test("clock", () => {
          const client = open();
          advance({ seconds: 59 });
          expect(client.receiveNothing()).toBe(true);
          advance(1000);
          expect(client.receiveFrom()).toBe("1");
          advance({ minutes: 2 });
          expect([client.receiveFrom(), client.receiveFrom()]).toEqual(["2", "3"]);
        });
        """,
    )


def test_the_test_answers_http_requests_and_lets_them_fail(passes):
    passes(
        consumer(
            "async receive(path) { try {"
            " const response = await fetch(`https://api.example/${path}`, { method: 'POST', body: path });"
            " this.send(`${response.status} ${await response.text()}`);"
            " } catch (error) { this.send(error.name); } }"
        ),
        """
        test("http", () => {
          const client = open();
          respond("https://api.example/*", { body: { name: "any" } });
          respond("https://api.example/one", { method: "POST", status: 201, body: "made", times: 1 });
          client.sendTo("one");
          client.sendTo("one");
          expect([client.receiveFrom(), client.receiveFrom()]).toEqual(["201 made", '200 {"name":"any"}']);
          const sent = "POST https://api.example/one one";
          expect(requests().map(({ method, url, text }) => `${method} ${url} ${text}`)).toEqual([sent, sent]);
          failRequest("https://api.example/lost", { error: "timeout" });
          client.sendTo("lost");
          expect(client.receiveFrom()).toBe("TimeoutError");
        });
        """,
        capabilities={"http": ["api.example"], "log": True},
    )


def test_the_test_reads_and_writes_the_buckets(passes):
    passes(
        'import { keyvalue } from "narrowboat";\n'
        + consumer("receive(text) { const bucket = keyvalue.open('seen'); this.send(bucket.getText('last') ?? ''); bucket.set('last', text); }"),
        """
        test("buckets", () => {
          const [client, seen] = [open(), keyvalue.open("seen")];
          seen.set("last", "before");
          client.sendTo("now");
          expect(client.receiveFrom()).toBe("before");
          expect(seen.getText("last")).toBe("now");
          expect(seen.listKeys()).toEqual(["last"]);
          seen.delete("last");
          expect(seen.exists("last")).toBe(false);
        });
        """,
        capabilities={"keyvalue": True, "log": True},
    )


def test_all_operations_on_buckets_reach_the_plugin_and_times_follow_the_clock(passes):
    passes(
        ECHO,
        """
        test("buckets", () => {
          const bucket = keyvalue.open("seen");
          const keys = () => bucket.listKeys().sort();
          bucket.set("session", "ann", { ttl: { minutes: 30 } });
          advance({ minutes: 29 });
          expect(bucket.ttl("session")).toBe(60_000);
          expect(bucket.update("session", (old) => new TextDecoder().decode(old) + "!")).toBe("ann!");
          advance({ minutes: 1 });
          expect([bucket.ttl("session"), bucket.exists("session")]).toEqual([null, false]);
          bucket.setMany({ a1: "1", a2: "2", b: "3" });
          bucket.deleteMany(["b"]);
          expect([...bucket.getMany(["a1", "b"]).keys()]).toEqual(["a1"]);
          expect(bucket.listKeys("a").sort()).toEqual(["a1", "a2"]);
          expect([bucket.compareAndSet("a1", null, "x"), bucket.compareAndSet("a1", "1", "x")]).toEqual([false, true]);
          expect([bucket.ttl("a1"), bucket.setTtl("a1", 1000)]).toEqual([Infinity, true]);
          expect(bucket.increment("n", -2)).toBe(-2);
          advance(1000);
          expect(keys()).toEqual(["a2", "n"]);
        });
        """,
        capabilities={"keyvalue": True},
    )


def test_a_setting_becomes_the_text_that_the_configuration_would_give(passes):
    passes(
        'import { config } from "narrowboat";\n' + consumer("receive(key) { this.send(config.all()); }"),
        """
        test("settings", () => {
          const date = new Date("2026-03-28T12:00:00Z");
          setConfig({ flag: true, half: 0.5, big: 10n, none: NaN, date, list: [1, "a", date, { b: false }], smtp: { tls: { on: false } } });
          const client = open();
          client.sendTo("all");
          expect(client.receiveJsonFrom()).toEqual({
            flag: "true", half: "0.5", big: "10", none: "nan", date: "2026-03-28T12:00:00Z",
            list: '[1,"a","2026-03-28T12:00:00Z",{"b":false}]', "smtp.tls.on": "false",
          });
        });
        """,
    )


def test_a_setting_that_the_configuration_could_not_have_is_refused(passes):
    passes(
        ECHO,
        """
        test("settings", () => {
          expect(() => setConfig({ "": 1 })).toThrow("config.: the key of a setting must not be empty");
          expect(() => setConfig({ ["k".repeat(300)]: 1 })).toThrow("must have at most 256 bytes");
          expect(() => setConfig({ a: { b: [null] } })).toThrow("config.a.b: TOML has no null; leave the value out");
          expect(() => setConfig({ a: { env: "TOKEN" } })).toThrow("config.a: is a reference to a secret");
          expect(() => setConfig({ a: new Uint8Array(1) })).toThrow("config.a: bytes are no value of TOML");
          expect(() => setConfig({ a: { b: new Map() } })).toThrow("config.a.b: a value of the configuration is a string");
          expect(() => setConfig({ a: undefined })).toThrow("and not undefined");
        });
        """,
    )


def test_a_time_without_a_zone_is_refused_with_a_correct_one(passes):
    passes(
        ECHO,
        """
        test("times", () => {
          for (const time of ["2026-03-28T12:00:00", "2026-03-28", "noon"]) {
            expect(() => kit.setTime(time)).toThrow('write for example "2026-03-28T12:00:00+01:00"');
          }
          kit.setTime("2026-03-28T12:00:00+01:00");
          kit.setTime(new Date(2026, 3, 28));
          kit.setTime(1_800_000_000_000);
        });
        """,
    )


def test_a_missing_setting_says_where_to_set_it_and_for_which_plugin(tested):
    source = 'import { config } from "narrowboat";\n' + consumer('receive() { config.require("api_key"); }')
    done = tested(source, 'test("it", () => { const client = open(); client.sendTo("x"); client.receiveFrom(); });')
    told = str(done.tests["it"])
    assert '"api_key": set it in narrowboat.toml below [plugins.chat.config]' in told.replace("\\", "")
    assert "setConfig(" in told and '{ env = "VARIABLE" } or { file = "PATH" }' in told.replace("\\", "")


def test_a_test_sets_the_configuration_of_the_plugin(passes):
    passes(
        'import { config } from "narrowboat";\n' + consumer('receive(key) { this.send(config.get(key, "none")); }'),
        """
        beforeEach(() => setConfig({ api_key: "first", smtp: { port: 25 } }));

        const ask = (client, key) => {
          client.sendTo(key);
          return client.receiveFrom();
        };

        test("a value changes while a client is connected", () => {
          const client = open();
          expect([ask(client, "api_key"), ask(client, "smtp.port")]).toEqual(["first", "25"]);
          setConfig({ api_key: "second" });
          expect(ask(client, "api_key")).toBe("second");
          setConfig({ api_key: null });
          expect(ask(client, "api_key")).toBe("none");
        });

        test("each test has its own configuration", () => {
          expect(ask(open(), "api_key")).toBe("first");
        });
        """,
    )


def test_the_log_and_the_faults_of_the_plugin_are_there(passes):
    passes(
        consumer("receive(text) { console.warn(text); throw new TypeError('broken'); }"),
        """
        test("log", () => {
          const client = open();
          client.sendTo("careful");
          expect(logs()).toContainEqual({ level: "warn", message: "careful", context: "console" });
          expect(faults()).toEqual([expect.stringContaining("TypeError: broken")]);
          expect(client.receiveClose().code).toBe(1011);
        });
        """,
    )


# Versions.


def test_a_connection_moves_to_another_version_with_its_state(passes):
    passes(
        consumer("count = 0; receive() { this.send(String(++this.count)); }"),
        """
        test("swap", () => {
          const client = open();
          client.sendTo("");
          expect(client.receiveFrom()).toBe("1");
          expect(swap()).toEqual({ version: expect.any(String), moved: 1 });
          client.sendTo("");
          expect(client.receiveFrom()).toBe("2");
          swap({ "consumers.js": readFile("consumers.js").replace("++this.count", "(this.count += 10)") });
          client.sendTo("");
          expect(client.receiveFrom()).toBe("12");
        });
        """,
    )


def test_a_version_that_the_host_refuses_is_an_error_of_the_swap(passes):
    passes(
        ECHO,
        """
        test("refused", () => {
          const client = open();
          expect(() => swap({ "consumers.js": "export default class {" })).toThrow("consumers.js:1");
          client.sendTo("still here");
          expect(client.receiveFrom()).toBe("still here");
        });
        """,
    )


# Files of tests.


@pytest.mark.parametrize("name", ["a.test.js", "a.test.mjs", "rooms/a.test.ts", "a.test.mts"])
def test_a_file_of_tests_may_be_anywhere_in_the_folder(passes, name):
    text = 'import { test } from "narrowboat/testing";\ntest("found", () => {});\n'
    done = passes(ECHO, 'test("other", () => {});', {name: text})
    assert set(done.tests) == {"other", "found"}
    assert (done.tests["found"]["file"], done.tests["found"]["line"]) == (name, 2)


def test_tests_do_not_see_what_other_tests_have_left_behind(passes):
    passes(
        'import { words } from "./words.js";\n' + consumer("connect() { words.push('plugin'); }"),
        """
        import { words } from "./words.js";
        for (const name of ["one", "two"]) {
          test(name, () => {
            expect(words).toEqual([]);
            words.push(name);
            expect(open().receiveNothing()).toBe(true);
            expect(words).toEqual([name]);
          });
        }
        """,
        {"words.js": "export const words = [];\n"},
    )


def test_steps_run_around_each_test_of_their_group(passes):
    passes(
        ECHO,
        """
        const order = [];
        beforeEach(() => order.push("before"));
        afterEach(() => expect(order.at(-1)).toMatch(/^after inner$|^outside$/));
        test("outside", () => { order.push("outside"); expect(order).toEqual(["before", "outside"]); });
        describe("inside", () => {
          beforeEach(async () => order.push("before inner"));
          afterEach(() => order.push("after inner"));
          test("group", () => expect(order).toEqual(["before", "before inner"]));
        });
        """,
    )


def test_a_test_with_skip_does_not_run(tested):
    done = tested(ECHO, 'test.skip("one", () => { throw 1; }); describe.skip("two", () => test("three", () => { throw 1; }));')
    assert done.status == 0
    assert {name: it["outcome"] for name, it in done.tests.items()} == {"one": "skipped", "two > three": "skipped"}


@pytest.mark.parametrize(
    ("tests", "problem"),
    [
        ("test('one', () => { const = 1; });", f"chat.test.js:{FIRST}:27: SyntaxError: variable name expected"),
        ("test('one');", f"chat.test.js:{FIRST}:1: TypeError: a test has a name and a function"),
        ("test.only('one', () => {});", f"chat.test.js:{FIRST}:6: TypeError: there is no test.only: narrowboat test --filter"),
        ("describe.each([1])('one', () => {});", f"chat.test.js:{FIRST}:10: TypeError: there is no describe.each: call it in a loop"),
        ("test('one', () => {});\ntest('one', () => {});", f"chat.test.js:{FIRST + 1}:1: Error: two tests have the name"),
        ("open();", "there is a host only while a test runs"),
        ("import { beforeAll } from 'narrowboat/testing';", f"chat.test.js:{FIRST}:10: narrowboat/testing has no export beforeAll"),
    ],
)  # fmt: skip
def test_a_file_of_tests_that_does_not_load_is_an_error_with_its_place(tested, tests, problem):
    done = tested(ECHO, tests)
    assert (done.status != 0, done.tests) == (True, {})
    assert problem in done.error


def test_a_missing_export_names_the_file_that_imports_it(tested):
    names = {"names.js": "export const used = 1;\n"}
    source = 'import { used } from "./names.js";\n// other is only a word here\n' + ECHO
    done = tested(source, "import './consumers.js';\nimport { used, other } from './names.js';", names)
    assert f"chat.test.js:{FIRST + 1}:16: names.js has no export other" in done.error


# Failures.

FAILURES = {
    'expect("a").toBe("b");': 'expected "b", got "a"',
    "expect({}).toBe({});": "expected {}, got {}\nboth have the same content: compare it with toEqual",
    'expect("a").not.toBe("a");': 'expected anything but "a", got "a"',
    "expect([1, { a: 2 }]).toEqual([1, { a: 3 }]);":
        "expected [1, { a: 3 }], got [1, { a: 2 }]\nthe first difference is at [1].a: expected 3, got 2",
    "expect({ a: undefined }).toStrictEqual({});":
        "expected {}, got { a: undefined }\nthe first difference is at a: expected undefined, got undefined",
    "expect({ a: 1 }).toMatchObject({ a: 2 });":
        "expected an object with { a: 2 }, got { a: 1 }\nthe first difference is at a: expected 2, got 1",
    "expect(1).toBeNull();": "expected null, got 1",
    "expect(null).toBeUndefined();": "expected undefined, got null",
    "expect(0).toBeTruthy();": "expected a truthy value, got 0",
    "expect(3).toBeGreaterThan(3);": "expected a number above 3, got 3",
    "expect(0.2).toBeCloseTo(0.1);": "expected a number within 0.005 of 0.1, got 0.2",
    "expect([]).toBeInstanceOf(Map);": "expected an instance of Map, got []",
    'expect("abc").toContain("d");': 'expected a value that contains "d", got "abc"',
    "expect([{ a: 1 }]).toContainEqual({ a: 2 });": "expected a value that contains an item equal to { a: 2 }, got [{ a: 1 }]",
    'expect("abc").toMatch(/d/);': 'expected a string that matches /d/, got "abc"',
    "expect([1]).toHaveLength(2);": "expected the length 2, got the length 1 of [1]",
    'expect({ a: { b: 1 } }).toHaveProperty("a.c");': 'expected an object with a property "a.c", got { a: { b: 1 } }',
    "expect(() => 1).toThrow();": "expected an error, got a call that throws nothing",
    'expect(() => { throw new TypeError("x"); }).toThrow("y");': 'expected an error whose message contains "y", got the error TypeError: x',
    "expect([1, 'a']).toEqual([expect.any(String), 'a']);":
        'expected [any String, "a"], got [1, "a"]\nthe first difference is at [0]: expected any String, got 1',
    "await expect(Promise.resolve(1)).resolves.toBe(2);": "expected 2, got 1",
    "await expect(Promise.resolve(1)).rejects.toThrow();": "expected a promise that is rejected, got one that becomes 1",
    "await expect(async () => { throw new Error('x'); }).rejects.toThrow('y');":
        'expected an error whose message contains "y", got the error Error: x',
    "expect(Promise.resolve(1)).resolves.toBe(2);": "expected 2, got 1\nthe promise was rejected, and nothing handles its rejection",
    "await null; throw new TypeError('broken');": "TypeError: broken",
    "open().receiveFrom();": "nothing has arrived for the client of /chat/",
    "new Communicator('/chat/').receiveFrom();": "Error: the client of /chat/ has not connected: call connect() first",
    "setTimeout(() => {}, 10);": 'Error: a test has no setTimeout: advance(100) from "narrowboat/testing" lets 100 ms pass',
    "await new Promise(() => {});": "the test waits for a promise that never settles",
    "const recurse = () => recurse(); recurse();": "RangeError: Maximum call stack size exceeded",
}  # fmt: skip


@pytest.fixture(scope="module")
def failures(narrowboat, tmp_path_factory):
    """The results of a test for each of the failures, whose name is its number."""
    folder = tmp_path_factory.mktemp("chat")
    tests = [f'test("{number}", async () => {{ {body} }});' for number, body in enumerate(FAILURES)]
    TypeScriptPlugin(folder, ECHO, {"chat.test.ts": IMPORTS + "\n".join(tests)})
    done = run_tests(narrowboat, folder)
    assert done.status == 1
    return done.tests


@pytest.mark.parametrize("body", FAILURES)
def test_a_failure_says_what_is_wrong_and_has_the_line(failures, body):
    number = list(FAILURES).index(body)
    failure = failures[str(number)]
    assert (failure["outcome"], failure["message"]) == ("failed", FAILURES[body])
    assert (failure["file"], failure["line"]) == ("chat.test.ts", FIRST + number)
    assert body in failure["source"]


def test_a_matcher_that_is_not_there_is_named(tested):
    done = tested(ECHO, "test('one', () => { expect([]).toHaveBeenCalled(); });")
    assert "expect has no toHaveBeenCalled: it has toBe, " in done.tests["one"]["message"]


def test_an_error_in_a_module_of_the_plugin_has_its_place_and_the_stack(tested):
    files = {"words.js": "export const boom = () => {\n  throw new TypeError('broken');\n};\n"}
    done = tested(ECHO, "import { boom } from './words.js';\ntest('one', () => {\n  boom();\n});", files)
    failure = done.tests["one"]
    assert (failure["file"], failure["line"], failure["source"]) == ("words.js", 2, "throw new TypeError('broken');")
    assert f"chat.test.js:{FIRST + 2}" in failure["trace"]


def test_a_failed_test_shows_the_log_of_the_plugin(tested):
    done = tested(consumer("receive() { console.log('I was here'); }"), "test('one', () => { open().sendTo(''); throw 1; });")
    assert "I was here" in "\n".join(done.tests["one"]["log"])
