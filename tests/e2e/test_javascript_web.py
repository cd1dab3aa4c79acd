"""Source plugins in JavaScript: the web platform, the key-value store, requests and workers."""

import json
import re
import uuid

import pytest

from admin import ADMIN, Admin
from http_server import listening
from javascript_plugin import JavaScriptPlugin
from redis_server import Redis
from test_javascript import ECHO, consumer

POWERS = {"keyvalue": True, "clocks": True, "random": True}


@pytest.fixture
def answer(javascript):
    """The value of an expression in a handler, as JSON. `await` is allowed in it."""

    def ask(expression, setup="", **capabilities):
        body = f"async receive(text) {{ {setup}; this.send(JSON.stringify({expression}) ?? 'undefined'); }}"
        source = 'import { keyvalue } from "narrowboat";\n' + consumer(body)
        asks = {"log": True} | POWERS | capabilities
        client = javascript(source, manifest={"capabilities": asks}).connect()
        return json.loads(client.ask("go"))

    return ask


@pytest.fixture
def check(answer):
    """Checks pairs of an expression and its value, in one plugin."""

    def compare(pairs, setup="", **capabilities):
        expression = "[" + ", ".join(f"await (async () => ({it}))()" for it in pairs) + "]"
        assert dict(zip(pairs, answer(expression, setup, **capabilities))) == pairs

    return compare


THROWN = "const thrown = async (work) => { try { await work(); return 'nothing'; } catch (error) { return `${error.name}: ${error.message}`; } }"


# Texts and bytes.


def test_texts_are_encoded_and_decoded(check):
    pairs = {
        "[...new TextEncoder().encode('é€')]": [0xC3, 0xA9, 0xE2, 0x82, 0xAC],
        "[...new TextEncoder().encode('\\ud800')]": [0xEF, 0xBF, 0xBD],
        "new TextEncoder().encodeInto('a€b', new Uint8Array(3))": {"read": 1, "written": 1},
        "new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x61, 0xff]))": "a\ufffd",
        "new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf]))": "\ufeff",
        "new TextDecoder('latin1').decode(new Uint8Array([0xe9, 0x80]))": "é€",
        "new TextDecoder().decode(new Uint8Array([0x61, 0x62, 0x63]).subarray(1).buffer)": "abc",
        "new TextDecoder().decode(new DataView(new Uint8Array([0x61, 0x62]).buffer, 1))": "b",
        "btoa('hello')": "aGVsbG8=",
        "atob('aGVsbG8=')": "hello",
        "await thrown(() => new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xff])))": "TypeError: the bytes are not UTF-8",
    }  # fmt: skip
    check(pairs, THROWN)


def test_a_character_may_be_split_between_parts_of_a_stream(answer):
    setup = "const decoder = new TextDecoder(); const parts = [[0xf0, 0x9f], [0x98], [0x80, 0x21]]"
    assert answer("parts.map((part) => decoder.decode(new Uint8Array(part), { stream: true }))", setup) == ["", "", "😀!"]


# Clones.


def test_a_clone_has_the_types_and_the_identities_of_the_original(check):
    setup = """const shared = { n: 1 };
      const original = { map: new Map([[shared, new Set([shared])]]), date: new Date(5), pattern: /x/gi, shared,
        bytes: new Uint8Array([1, 2, 3]).subarray(1), error: new RangeError("no", { cause: shared }), hole: [1, , 3] };
      original.self = original;
      const clone = structuredClone(original); const [key] = clone.map.keys();"""
    pairs = {
        "clone !== original && clone.self === clone": True,
        "key === clone.shared && key !== shared && clone.map.get(key).has(key)": True,
        "[clone.date instanceof Date, clone.date.getTime()]": [True, 5],
        "String(clone.pattern)": "/x/gi",
        "[clone.bytes instanceof Uint8Array, ...clone.bytes, clone.bytes.buffer.byteLength]": [True, 2, 3, 3],
        "[clone.error instanceof RangeError, clone.error.message, clone.error.cause === clone.shared]": [True, "no", True],
        "[clone.hole.length, 1 in clone.hole]": [3, False],
        "structuredClone(10n) === 10n && structuredClone(undefined) === undefined": True,
    }
    check(pairs, setup)


@pytest.mark.parametrize("value", ["() => {}", "{ f() {} }", "Symbol('s')", "new WeakMap()", "Promise.resolve()"])
def test_a_value_without_a_copy_is_a_data_clone_error(answer, value):
    assert answer(f"await thrown(() => structuredClone({value}))", THROWN).startswith("DataCloneError: ")


# Random numbers.


def test_random_values_and_uuids_differ(answer):
    setup = "const bytes = () => [...crypto.getRandomValues(new Uint8Array(16))]"
    first, second, *ids = answer("[bytes(), bytes(), crypto.randomUUID(), crypto.randomUUID()]", setup)
    assert first != second and ids[0] != ids[1]
    assert all(uuid.UUID(it).version == 4 for it in ids)


# URLs.


def test_urls_are_parsed_and_changed(check):
    setup = "const url = new URL('../b?x=1#f', 'https://u:p@EXAMPLE.com:8443/a/c'); const changed = new URL('http://a/'); "
    setup += "changed.port = '81'; changed.pathname = '/ü'; changed.searchParams.append('q', 'a b&'); changed.hash = 'h'"
    pairs = {
        "url.href": "https://u:p@example.com:8443/b?x=1#f",
        "[url.protocol, url.host, url.pathname, url.search, url.hash, url.origin]":
            ["https:", "example.com:8443", "/b", "?x=1", "#f", "https://example.com:8443"],
        "String(changed)": "http://a:81/%C3%BC?q=a+b%26#h",
        "[...new URLSearchParams('?a=1&b=%C3%BC+x&a=2')]": [["a", "1"], ["b", "ü x"], ["a", "2"]],
        "new URLSearchParams({ q: 'a b', r: 'ü' }).toString()": "q=a+b&r=%C3%BC",
        "[URL.canParse('nonsense'), URL.parse('nonsense')]": [False, None],
        "new URL('https://münchen.example/').host": "xn--mnchen-3ya.example",
        "await thrown(() => new URL('nonsense'))": 'TypeError: Invalid URL: "nonsense"',
    }  # fmt: skip
    check(pairs, setup + ";" + THROWN)


# Events and signals.


def test_an_abort_reaches_the_listeners_of_a_signal_and_of_its_followers(answer):
    setup = """const seen = []; const controller = new AbortController();
      const any = AbortSignal.any([controller.signal, AbortSignal.timeout(60_000)]);
      controller.signal.addEventListener("abort", () => seen.push("own")); any.onabort = () => seen.push("any");
      controller.abort("enough"); controller.abort("again")"""
    assert answer("[seen.sort(), controller.signal.reason, any.aborted]", setup) == [["any", "own"], "enough", True]


def test_a_signal_aborts_at_its_time(answer):
    setup = "const signal = AbortSignal.timeout(30); const event = new Promise((resolve) => signal.addEventListener('abort', resolve))"
    assert answer("[signal.aborted, (await event).type, signal.reason.name]", setup) == [False, "abort", "TimeoutError"]


def test_an_event_calls_each_listener(answer):
    setup = """const target = new EventTarget(); const seen = [];
      target.addEventListener("go", (event) => seen.push(event.detail), { once: true });
      target.addEventListener("go", { handleEvent: (event) => seen.push(event.type) });
      for (const _ of [1, 2]) target.dispatchEvent(new CustomEvent("go", { detail: 7 }))"""
    assert answer("seen", setup) == [7, "go", "go"]


# Requests and responses.


@pytest.fixture
def server():
    with listening() as server:
        server.url = f"http://localhost:{server.port}"
        yield server


@pytest.fixture
def fetching(check, server):
    """Checks expressions of a plugin that may reach the test's server, whose URL is `url`."""

    def compare(pairs, setup=""):
        check(pairs, f"const url = '{server.url}'; {setup}; {THROWN}", http=[server.url], private_addresses=True)

    return compare


def test_a_response_has_its_status_headers_and_body(fetching):
    pairs = {
        "[response.status, response.ok, response.url === `${url}/hello`]": [200, True, True],
        "response.headers.get('Content-Length')": "5",
        "await response.clone().text()": "hello",
        "[...await response.clone().bytes()]": list(b"hello"),
        "(await response.clone().arrayBuffer()).byteLength": 5,
        "[await response.text(), response.bodyUsed, await thrown(() => response.text())]":
            ["hello", True, "TypeError: the body is already read"],
        "(await fetch(`${url}/nowhere`)).ok": False,
    }  # fmt: skip
    fetching(pairs, "const response = await fetch(`${url}/hello`)")


def test_a_request_has_a_method_headers_and_a_body(fetching):
    setup = """const ask = async (options) => (await fetch(new Request(`${url}/asked`, options))).json();
      const post = await ask({ method: "POST", body: new URLSearchParams({ a: "b c" }), headers: { "X-Test": "one" } });
      const bytes = await ask({ method: "post", body: new Uint8Array(7) })"""
    pairs = {
        "[post.method, post.body, post.headers['x-test']]": ["POST", 5, "one"],
        "post.headers['content-type']": "application/x-www-form-urlencoded;charset=UTF-8",
        "[bytes.method, bytes.body, bytes.headers['content-type'] ?? null]": ["POST", 7, None],
    }
    fetching(pairs, setup)


def test_a_redirection_is_followed_unless_the_request_says_otherwise(fetching):
    pairs = {
        "[followed.status, followed.redirected, followed.url === `${url}/hello`]": [200, True, True],
        "(await fetch(`${url}/redirect?/hello`, { redirect: 'manual' })).status": 302,
        "(await thrown(() => fetch(`${url}/redirect?/hello`, { redirect: 'error' }))).startsWith('TypeError: ')": True,
    }
    fetching(pairs, "const followed = await fetch(`${url}/redirect?/hello`)")


def test_a_request_without_the_capability_is_an_error_that_names_it(answer, server):
    told = answer(f"await thrown(() => fetch('{server.url}/hello'))", THROWN)
    assert told == (
        f"TypeError: the plugin may not send requests to {server.url}: "
        f'add http = ["{server.url}"] under [capabilities] in plugin.toml'
    )


def test_a_request_ends_at_the_time_of_its_signal_or_of_its_option(fetching):
    pairs = {
        "await thrown(() => fetch(`${url}/held`, { signal: AbortSignal.timeout(100) }))": "TimeoutError: the request to URL timed out",
        "await thrown(() => fetch(`${url}/held`, { timeout: 100 }))": "TimeoutError: the request to URL timed out",
        "await thrown(() => fetch(`${url}/hello`, { signal: AbortSignal.abort() }))": "AbortError: the operation was aborted",
        "await thrown(() => fetch('nonsense'))": 'TypeError: Invalid URL: "nonsense"',
    }
    fetching({f"({expression}).replace(url, 'URL')": value for expression, value in pairs.items()})


def test_responses_and_headers_are_made_by_the_plugin(check):
    setup = "const headers = new Headers([['B', '2'], ['a', '1']]); headers.append('A', 'x')"
    pairs = {
        "[...headers]": [["a", "1, x"], ["b", "2"]],
        "await Response.json({ a: 1 }).json()": {"a": 1},
        "await thrown(() => headers.set('a b', '1'))": 'TypeError: "a b" is not the name of a header',
        "new Response(null, { status: 404 }).ok": False,
    }
    check(pairs, setup + ";" + THROWN)


# The console.


def test_the_console_writes_counts_tables_and_groups(javascript):
    body = """receive() {
      console.count(); console.count("laps"); console.count();
      console.group("outer"); console.log("inner %d of %s", 1, "two"); console.groupEnd(); console.log("after");
      console.table([{ a: 1, b: "x" }, { a: 22 }]); console.time("work"); console.timeEnd("work"); console.dir({ a: { b: 1 } });
      this.send("done");
    }"""
    plugin = javascript(consumer(body))
    assert plugin.connect().ask("go") == "done"
    for text in ("default: 2", "laps: 1", "  inner 1 of two", " after", r"0 +\| 1 +\| .*x", r"work: \d+\.\d+ ms", r"\{ a: \{ b: 1 \} \}"):
        plugin.host.logged(text)


# The key-value store.


def test_values_are_set_read_listed_and_deleted(check):
    setup = "const bucket = keyvalue.open('notes'); bucket.set('a', 'é'); bucket.set('b', new Uint8Array([1, 2]))"
    pairs = {
        "[...bucket.get('a')]": [0xC3, 0xA9],
        "bucket.getText('a')": "é",
        "[...bucket.get('b')]": [1, 2],
        "[bucket.get('c'), bucket.getText('c'), bucket.exists('c'), bucket.exists('a')]": [None, None, False, True],
        "bucket.listKeys().sort()": ["a", "b"],
        "[bucket.increment('n'), bucket.increment('n', 5), bucket.increment('n', -10n)]": [1, 6, -4],
        "String(bucket.increment('large', 2n ** 62n))": str(2**62),
        "(bucket.delete('a'), bucket.exists('a'))": False,
        "await thrown(() => bucket.increment('b'))": 'KeyValueError: the value is not a whole number of 64 bits, or would not be one (bucket "notes", key "b")',
        "await thrown(() => bucket.increment('n', 2n ** 63n))": "RangeError: a bucket adds numbers of 64 bits",
        "await thrown(() => bucket.set('n', 5))": "TypeError: a value is a string or a Uint8Array",
    }
    check(pairs, setup + ";" + THROWN)


def test_a_bucket_may_be_opened_at_the_top_of_a_module_and_moves_with_the_state(javascript):
    source = 'import { keyvalue } from "narrowboat";\nconst notes = keyvalue.open("notes");\n' + consumer("""
      own = undefined;
      receive(text) { this.own ??= keyvalue.open("own"); notes.set("a", text); this.send(`old ${this.own.increment("n")} ${notes.getText("a")}`); }""")  # fmt: skip
    plugin = javascript(source, manifest={"capabilities": {"log": True} | POWERS})
    client = plugin.connect()
    assert client.ask("one") == "old 1 one"
    plugin.edit(("old", "new"))
    assert client.ask("two") == "new 2 two"


def test_a_plugin_without_the_capability_gets_an_error_that_names_it(answer):
    told = answer("await thrown(() => keyvalue.open('notes'))", THROWN, keyvalue=False)
    assert told == "KeyValueError: the plugin may not use keyvalue: add keyvalue = true under [capabilities] in plugin.toml"


# Workers.

WORKER = """
import { Consumer, Worker, sendTo } from "narrowboat";

export class Chat extends Consumer {
  receive(text) {
    const type = text === "unknown" ? "no.handler" : "numbers.sum";
    sendTo("sums", { type, numbers: text, reply: this.channelName });
  }
  onSumMade({ sum }) { this.send(String(sum)); }
}

export class Summer extends Worker {
  WORK
}
"""
SYNC_WORKER = WORKER.replace("WORK\n", """onNumbersSum({ numbers, reply }) {
    const sum = numbers.split(" ").map((text) => { if (isNaN(text)) throw new RangeError(`not a number: ${text}`); return Number(text); });
    sendTo(reply, { type: "sum.made", sum: sum.reduce((a, b) => a + b) });
  }
""")  # fmt: skip
ASYNC_WORKER = SYNC_WORKER.replace("onNumbersSum({", "async onNumbersSum({").replace("    const sum", "    await null; const sum")


@pytest.fixture
def working(serve, tmp_path):
    """Serves a plugin at /chat/ and as the worker of the channel `sums`."""

    def start(source, **settings):
        entries = {"consumer": "consumers:Chat", "worker": "consumers:Summer"}
        plugin = JavaScriptPlugin(tmp_path / "chat", source, **entries)
        tables = {"chat": plugin.table()}
        routes = [{"path": "/chat/", "plugin": "chat"}]
        plugin.host = serve(plugins=tables, routes=routes, workers=[{"channel": "sums", "plugin": "chat"}], **settings)
        return plugin

    return start


@pytest.mark.parametrize("source", [SYNC_WORKER, ASYNC_WORKER], ids=["sync", "async"])
def test_a_worker_handles_the_messages_of_its_channel(working, source):
    assert working(source).connect().ask("1 2 3") == "6"


def test_a_worker_works_over_redis(working):
    with Redis() as redis:
        assert working(ASYNC_WORKER, layer={"backend": "redis", "hosts": [redis.address]}).connect().ask("1 2 3") == "6"


@pytest.mark.parametrize("source", [SYNC_WORKER, ASYNC_WORKER], ids=["sync", "async"])
def test_an_exception_in_a_worker_is_logged_and_the_next_message_is_handled(working, source):
    plugin = working(source)
    client = plugin.connect()
    client.send("1 two")
    plugin.host.logged(r"RangeError: not a number: two \(consumers\.js:\d+\)")
    assert client.ask("4 5") == "9"


def test_a_type_that_a_worker_does_not_know_is_counted_and_ignored(working):
    plugin = working(SYNC_WORKER, admin=ADMIN)
    client = plugin.connect()
    client.send("unknown")
    assert client.ask("4 5") == "9"
    metrics = Admin(plugin.host).ask("/metrics").body.decode()
    assert re.search(r"^narrowboat_guest_unknown_messages_total{.*} 1$", metrics, re.MULTILINE)


def test_a_worker_that_waits_is_an_error(working):
    plugin = working(ASYNC_WORKER.replace("await null", "await new Promise(() => {})"))
    plugin.connect().send("1 2")
    plugin.host.logged("the handler onNumbersSum of the worker waits, and a worker cannot wait")


def test_the_default_export_is_the_consumer_beside_a_named_worker(serve, tmp_path):
    source = SYNC_WORKER.replace("export class Chat", "export default class Chat")
    plugin = JavaScriptPlugin(tmp_path / "chat", source, worker="consumers:Summer")
    routes = [{"path": "/chat/", "plugin": "chat"}]
    plugin.host = serve(plugins={"chat": plugin.table()}, routes=routes, workers=[{"channel": "sums", "plugin": "chat"}])
    assert plugin.connect().ask("20 22") == "42"


def test_two_default_exports_of_consumers_beside_a_worker_are_refused(javascript):
    two = 'import { Consumer, Worker } from "narrowboat";\nexport default class extends Consumer {}\n'
    files = {"jobs.js": two + "export class Jobs extends Worker {}\n"}
    problem = javascript(ECHO).refuse(two, files, worker="jobs:Jobs")
    assert "jobs.js:default and consumers.js:default are both a class of a consumer" in problem
    assert 'name one in plugin.toml: consumer = "jobs:default"' in problem


def test_a_worker_in_the_manifest_that_is_a_consumer_is_refused(javascript):
    problem = javascript(ECHO).refuse(worker="consumers:default")
    assert "consumers.js:default is a class of a consumer, and not of a worker" in problem


@pytest.mark.parametrize("entry", ["consumers:Summer", None], ids=["named", "default-export"])
def test_a_plugin_may_have_a_worker_and_no_consumer(serve, tmp_path, entry):
    source = 'import { Worker, sendTo } from "narrowboat";\n' + SYNC_WORKER[SYNC_WORKER.index("export class Summer") :]
    if entry is None:
        source = source.replace("export class", "export default class")
    worker = JavaScriptPlugin(tmp_path / "worker", source, worker=entry)
    chat = JavaScriptPlugin(tmp_path / "chat", WORKER.replace("WORK\n", ""), consumer="consumers:Chat")
    workers = [{"channel": "sums", "plugin": "worker"}]
    chat.host = serve(plugins={"chat": chat.table(), "worker": worker.table()}, workers=workers)
    assert chat.connect().ask("20 22") == "42"
