"""Source plugins in JavaScript and TypeScript: consumers, handshakes, groups and timers."""

import pytest
from websockets.exceptions import InvalidStatus

from support import eventually

CONSUMER = 'import {{ Consumer, Rejected, ClientError }} from "narrowboat";\n\nexport default class Chat extends Consumer {{\n{}\n}}\n'


def consumer(body):
    """The text of a module whose default export has these members."""
    return CONSUMER.format(body)


def status(plugin, query=""):
    with pytest.raises(InvalidStatus) as failure:
        plugin.connect(query)
    return failure.value.response


ECHO = consumer("receive(data) { this.send(data); }")


# Events.


@pytest.mark.parametrize("isolation", ["shared", "connection"])
def test_an_echo_returns_texts_and_bytes(javascript, isolation):
    client = javascript(ECHO, isolation=isolation).connect()
    assert client.ask("grüße") == "grüße"
    assert client.ask(b"\x00\xff") == b"\x00\xff"
    assert client.ask("") == ""


def test_an_object_is_sent_as_json(javascript):
    client = javascript(consumer('receive(text) { this.send({ text, list: [1, null] }); }')).connect()
    assert client.ask("a") == '{"text":"a","list":[1,null]}'


def test_types_are_removed_and_modules_import_each_other(typescript):
    plugin = typescript(
        'import { Consumer } from "narrowboat";\nimport { greet, type Greeting } from "./lib/greet.js";\n'
        "export default class Chat extends Consumer {\n  private last: Greeting | null = null;\n"
        "  receive(text: string): void { this.last = greet(text as string); this.send(this.last!.text); }\n}\n",
        {"lib/greet.ts": "export interface Greeting { text: string }\nexport const greet = (name: string): Greeting => ({ text: `hello ${name}` });\n"},
    )
    assert plugin.connect().ask("ada") == "hello ada"


def test_events_of_a_connection_wait_until_an_async_handler_has_ended(javascript):
    body = """
  async receive(text) {
    if (text === "first") await new Promise((resolve) => setTimeout(resolve, 100));
    this.send(text);
  }"""
    client = javascript(consumer(body)).connect()
    client.send("first")
    client.send("second")
    assert [client.recv(), client.recv()] == ["first", "second"]


def test_disconnect_gets_the_code_and_the_reason(javascript):
    plugin = javascript(consumer('disconnect(code, reason) { console.log("left", code, reason); }'))
    plugin.connect().close(4001, "bye")
    plugin.host.logged("left 4001 bye")


# Handshakes.


def test_connect_chooses_the_subprotocol_and_headers(javascript):
    body = 'connect(scope) { return { subprotocol: scope.subprotocols[1], headers: { "X-Room": scope.query.room } }; }'
    client = javascript(consumer(body)).connect("room=a", subprotocols=["one", "two"])
    assert client.subprotocol == "two"
    assert client.response.headers["x-room"] == "a"


def test_connect_may_wait_before_it_decides(javascript):
    body = """
  async connect(scope) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (scope.query.deny) throw new Rejected(401, { body: "who are you?" });
    this.send("welcome");
  }"""
    plugin = javascript(consumer(body.replace('this.send("welcome")', 'this.accept(); this.send("welcome")')))
    assert plugin.connect().recv() == "welcome"
    assert status(plugin, "deny=1").status_code == 401


@pytest.mark.parametrize(
    ("connect", "code"),
    [("return false;", 403), ("throw new Rejected(404);", 404), ("this.close();", 403), ("null.x;", 500)],
)
def test_connect_rejects_a_handshake(javascript, connect, code):
    assert status(javascript(consumer(f"connect() {{ {connect} }}"))).status_code == code


STORE = 'import { keyvalue } from "narrowboat";\n' + consumer(
    """
  CONNECT(scope) {
    if (scope.query.client) throw new ClientError("which room?", 4400);
    try { keyvalue.open("visits").set(scope.query.key ?? "", "x".repeat(100_000)); }
    catch (error) { throw scope.query.why ? new Error("no visits", { cause: error }) : error; }
  }"""
)


@pytest.mark.parametrize("connect", ["connect", "async connect"])
def test_an_error_of_the_store_in_connect_is_answered_503_and_one_of_the_plugin_500(javascript, connect):
    capabilities = {"keyvalue": True, "log": True}
    manifest, top = {"capabilities": capabilities}, {"keyvalue": {"quota": "64 KiB"}}
    plugin = javascript(STORE.replace("CONNECT", connect), manifest=manifest, table={"grants": capabilities}, top=top)
    for query in ("key=a", "key=a&why=1"):
        answer = status(plugin, query)
        assert (answer.status_code, answer.body) == (503, b"not available now\n")
    plugin.host.logged(r'a handshake was answered 503\s.*quota exceeded.*\(bucket "visits", key "a"\)')
    assert status(plugin).status_code == 500
    answer = status(plugin, "client=1")
    assert (answer.status_code, answer.body) == (400, b"which room?\n")


# Errors.


def test_an_exception_closes_the_connection_and_names_its_file_and_line(typescript):
    source = 'import { Consumer } from "narrowboat";\n\ninterface Empty {}\n\nexport default class Chat extends Consumer {\n  receive(text: string) {\n    (null as any).x;\n  }\n}\n'
    plugin = typescript(source)
    client = plugin.connect()
    client.send("a")
    assert client.ended()[0] == 1011
    plugin.host.logged(r"TypeError: cannot read property 'x' of null \(consumers\.ts:7\)")


def test_an_error_of_the_client_closes_with_its_code(javascript):
    client = javascript(consumer('receive() { throw new ClientError("not a number", 4002); }')).connect()
    client.send("a")
    assert client.ended()[0] == 4002


def test_an_endless_loop_ends_with_the_line_and_spares_the_others(javascript):
    plugin = javascript(consumer('receive(text) {\n if (text === "loop")\n  for (;;);\n this.send(text);\n}'))
    looping, other = plugin.connect(), plugin.connect()
    looping.send("loop")
    assert looping.ended()[0] == 1011
    assert other.ask("still here") == "still here"
    plugin.host.logged(r"CallTimeout: the call has used most of its \d+ ms \(consumers\.js:\d+\)")


def test_a_syntax_error_never_goes_live(typescript):
    plugin = typescript(ECHO)
    client = plugin.connect()
    assert "consumers.ts:2" in plugin.refuse("const a: number = 1;\nconst b: = 2;\n")
    assert client.ask("still here") == "still here"


def test_a_missing_import_names_the_file(javascript):
    assert "./missing.js" in javascript(ECHO).refuse('import "./missing.js";\n' + ECHO)


# Groups, timers and workers.


def test_a_message_calls_the_handler_of_its_type(javascript):
    body = """
  connect() { this.group("room").join(); }
  receive(text) { this.group("room").send({ type: "chat.message", text }); }
  onChatMessage({ text }) { this.send(text); }"""
    plugin = javascript(consumer(body))
    clients = plugin.clients(3)
    clients[0].send("hello")
    assert [client.recv() for client in clients] == ["hello"] * 3


def test_an_interval_runs_until_it_is_cleared(javascript):
    body = """
  connect() {
    let count = 0;
    const timer = setInterval(() => {
      this.send(String(++count));
      if (count === 3) { clearInterval(timer); this.close(4000); }
    }, 10);
  }"""
    client = javascript(consumer(body)).connect()
    assert [client.recv() for _ in range(3)] == ["1", "2", "3"]
    assert client.ended()[0] == 4000


def test_random_numbers_differ_between_instances(javascript):
    plugin = javascript(consumer("receive() { this.send(String(Math.random())); }"), isolation="connection")
    assert plugin.connect().ask("") != plugin.connect().ask("")


# Code behind an `await`.

SLEEP = "const sleep = (time) => new Promise((resolve) => setTimeout(resolve, time));\n"


def test_a_handler_may_wait_several_times(javascript):
    source = SLEEP + consumer("async receive(text) { await sleep(5); await null; await sleep(5); this.send(text); }")
    assert javascript(source).connect().ask("hello") == "hello"


def test_a_handler_goes_on_when_another_connection_wakes_it(javascript):
    body = """
  async receive(text) {
    if (text === "wake") return this.send(wake ? (wake(), "woken") : "not yet");
    await new Promise((resolve) => { wake = resolve; });
    this.send("awake");
  }"""
    sleeping, other = javascript("let wake;\n" + consumer(body)).clients(2)
    sleeping.send("sleep")
    eventually(lambda: other.ask("wake") == "woken", "the handler waits")
    assert sleeping.recv() == "awake"


def test_an_error_that_the_runtime_throws_names_the_line_of_the_plugin(javascript):
    plugin = javascript(consumer("receive() {\n  setTimeout(1);\n}"))
    client = plugin.connect()
    client.send("a")
    assert client.ended()[0] == 1011
    plugin.host.logged(r"TypeError: the first argument of a timer is a function \(consumers\.js:5\)")


def test_a_folder_of_a_plugin_may_have_the_name_of_the_runtime(javascript):
    plugin = javascript('import { word } from "./narrowboat/session.js";\n' + consumer("receive() { this.send(word); }"), {"narrowboat/session.js": 'export const word = "mine";\n'})
    assert plugin.connect().ask("") == "mine"


# Values that are odd.


def test_half_of_a_surrogate_pair_is_sent_as_a_replacement_character(javascript):
    client = javascript(consumer('receive() { console.log("odd \\ud800"); this.send("a\\ud800b\\udc00"); }')).connect()
    assert client.ask("") == "a\ufffdb\ufffd"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("this.close(5)", r"RangeError: a connection closes with the code 1000 or 3000 to 4999, and not with 5 \(consumers\.js:4\)"),
        ("this.close(4000, 'é'.repeat(62))", r"RangeError: the reason of a Close frame has at most 123 bytes"),
        ("this.group('a\\ud800').join()", r"consumers\.js:4"),
        ("throw new Error('odd \\ud800')", r"Error: odd \ufffd \(consumers\.js:4\)"),
    ],
)
def test_a_value_that_the_host_does_not_take_is_an_error_with_its_line(javascript, call, words):
    plugin = javascript(consumer(f"receive() {{ {call}; }}"))
    client = plugin.connect()
    client.send("a")
    assert client.ended()[0] == 1011
    plugin.host.logged(words)
