"""The same consumers under Django Channels with uvicorn and under Narrowboat. Each test holds for both servers."""

import json
import re
import subprocess
import sys
from contextlib import contextmanager

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from python_plugin import MANIFEST, PythonPlugin
from redis_server import free_port
from support import CLIENTS, Client, eventually

CONSUMERS = "tests/peers/consumers.py"


class Server:
    """A server with each consumer at /CLASS/ROOM/."""

    def __init__(self, port):
        self._port = port

    def connect(self, consumer, room="lobby", query="", **options):
        url = f"ws://127.0.0.1:{self._port}/{consumer}/{room}/?{query}"
        client = connect(url, create_connection=Client, legacy=True, proxy=None, **options)
        CLIENTS.append(client)
        return client

    def clients(self, count, consumer, room="lobby"):
        return [self.connect(consumer, room) for _ in range(count)]

    def rejection(self, consumer, query=""):
        """The response to a handshake that is rejected."""
        with pytest.raises(InvalidStatus) as raised:
            self.connect(consumer, query=query)
        return raised.value.response


@contextmanager
def channels(root, log):
    """Django under uvicorn."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), "django_consumers:application"]
    with open(log, "w") as out:
        process = subprocess.Popen(command, cwd=root / "tests/peers", stdout=out, stderr=out)
    try:
        eventually(lambda: "running on" in log.read_text() or process.poll() is not None, "uvicorn")
        assert process.poll() is None, log.read_text()
        yield Server(port)
    finally:
        process.kill()
        process.wait()


@contextmanager
def narrowboat(root, serving, folder, isolation):
    """A host with a plugin for each consumer."""
    source = (root / CONSUMERS).read_text()
    names = re.findall(r"^class (\w+)\(", source, re.MULTILINE)
    manifest = {"isolation": isolation, "capabilities": MANIFEST["capabilities"] | {"random": True}}
    plugins = {name: PythonPlugin(folder / name, source, consumer=f"consumers:{name}", **manifest) for name in names}
    tables = {name.lower(): plugin.table() for name, plugin in plugins.items()}
    routes = [{"path": f"/{name}/{{room}}/", "plugin": name.lower()} for name in names]
    with serving(plugins=tables, routes=routes) as host:
        yield Server(host.port)


@pytest.fixture(scope="module", params=["channels", "narrowboat", "narrowboat-connection"])
def server(request, root, serving, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    isolation = "connection" if "connection" in request.param else "shared"
    is_channels = request.param == "channels"
    started = channels(root, folder / "log") if is_channels else narrowboat(root, serving, folder, isolation)
    with started as server:
        server.isolation = isolation
        yield server


@pytest.mark.parametrize("consumer", ["Echo", "AsyncEcho"])
def test_an_echo_returns_texts_and_bytes(server, consumer):
    client = server.connect(consumer)
    assert [client.ask(data) for data in ("text", b"\x00\xff", "", "ü" * 10_000)] == ["text", b"\x00\xff", "", "ü" * 10_000]


@pytest.mark.parametrize("consumer", ["Raw", "AsyncRaw"])
def test_a_raw_consumer_gets_texts_and_bytes_as_messages(server, consumer):
    client = server.connect(consumer)
    assert [eval(client.ask(data)) for data in ("text", b"bytes")] == [["text", "type"], ["bytes", "type"]]
    client.send("close")
    assert client.ended() == (4001, "asked")


@pytest.mark.parametrize("consumer", ["Json", "AsyncJson"])
@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, True]}, [], "ü", 0, None])
def test_a_json_consumer_gets_and_sends_values(server, consumer, value):
    assert json.loads(server.connect(consumer).ask(json.dumps(value))) == {"got": value}


def test_a_list_in_a_module_has_all_clients(server):
    if server.isolation == "connection":
        # The clients have modules of their own.
        one, two = server.clients(2, "Broadcast")
        assert (one.ask("hello"), two.ask("two")) == ("hello", "two")
        return
    clients = server.clients(3, "Broadcast")
    clients[0].send("hello")
    assert [client.recv() for client in clients] == ["hello"] * 3
    clients.pop().close()
    assert clients[0].ask("two") == "two"
    assert clients[1].recv() == "two"


# Groups.

rooms = pytest.mark.parametrize("consumer", ["Room", "AsyncRoom"])


@rooms
def test_a_room_hears_its_members(server, consumer):
    members, other = server.clients(3, consumer, "hears"), server.connect(consumer, "other")
    members[0].send("name ada")
    members[0].send("say hello")
    assert [member.recv() for member in members] == ["ada: hello"] * 3
    assert other.ask("nothing") == "nothing"


@rooms
def test_a_room_hears_who_leaves_with_the_close_code(server, consumer):
    leaves, stays = server.clients(2, consumer, "leaves")
    leaves.send("name ada")
    assert leaves.ask("ready") == "ready"
    leaves.close(4321)
    assert stays.recv() == "ada left with 4321"


@rooms
def test_a_member_that_leaves_the_group_hears_nothing(server, consumer):
    leaves, stays = server.clients(2, consumer, "quiet")
    leaves.send("leave")
    assert leaves.ask("ready") == "ready"
    stays.send("say hello")
    assert stays.recv() == "None: hello"
    assert leaves.ask("still here") == "still here"


@rooms
def test_messages_keep_their_order(server, consumer):
    speaks, listens = server.clients(2, consumer, "order")
    for number in range(50):
        speaks.send(f"say {number}")
    expected = [f"None: {number}" for number in range(50)]
    assert listens.take(50) == expected
    assert speaks.take(50) == expected


def test_a_consumer_is_in_the_groups_of_its_class(server):
    first, second = server.clients(2, "Everyone")
    first.send("hello")
    assert (first.recv(), second.recv()) == ("hello", "hello")


def test_a_message_keeps_its_values(server):
    assert eval(server.connect("Mirror").ask("send")) == {
        "type": "mirror.values", "none": None, "yes": True, "no": False, "int": -5, "big": 1 << 40, "float": 0.5,
        "text": "ü", "bytes": b"\x00\xff", "list": [1, [2, None]], "dict": {"a": {"b": 1}},
    }  # fmt: skip


# The scope and the handshake.


@pytest.mark.parametrize("key, value", [
    ("type", "websocket"),
    ("path", "/Scope/a room/"),
    ("query_string", b"x=1&y=%20"),
    ("url_route", {"room": "a room"}),
    ("headers", [b"Ada", b"Bob"]),
    ("cookies", {"a": "1", "b": "two"}),
    ("subprotocols", []),
    ("scheme", "ws"),
    ("http_version", "1.1"),
    ("root_path", ""),
])
def test_the_scope_has(server, key, value):
    headers = [("X-Name", "Ada"), ("X-Name", "Bob"), ("Cookie", "a=1; b=two")]
    client = server.connect("Scope", "a%20room", "x=1&y=%20", additional_headers=headers)
    assert eval(client.ask(key)) == value


def test_the_scope_has_the_address_of_the_client(server):
    client = server.connect("Scope")
    assert list(eval(client.ask("client"))) == list(client.local_address)


decides = pytest.mark.parametrize("consumer", ["Decide", "AsyncDecide"])


@decides
@pytest.mark.parametrize("query", ["", "accept"])
def test_a_consumer_accepts(server, consumer, query):
    assert server.connect(consumer, query=query).ask("hello") == "hello"


@decides
@pytest.mark.parametrize("query, status", [("deny", 403), ("close", 403), ("fail", 500)])
def test_a_consumer_rejects(server, consumer, query, status):
    assert server.rejection(consumer, query).status_code == status


@decides
def test_a_consumer_accepts_and_closes_at_once(server, consumer):
    assert server.connect(consumer, query="later").rest() == (["first"], (4004, "full"))


@decides
def test_a_consumer_accepts_with_a_subprotocol_and_headers(server, consumer):
    client = server.connect(consumer, query="subprotocol", subprotocols=["one", "two"])
    assert (client.subprotocol, client.response.headers["x-offered"]) == ("two", "one,two")


def test_a_consumer_responds_in_the_place_of_the_handshake(server):
    response = server.rejection("Respond")
    assert (response.status_code, json.loads(response.body)) == (451, {"error": "banned"})
    assert (response.headers["content-type"], response.headers["x-reason"]) == ("application/json", "banned")


# The end.


@pytest.mark.parametrize("words, closure", [("", (1000, "")), ("4005", (4005, "")), ("3000 bye", (3000, "bye"))])
def test_a_consumer_closes_with_a_code_and_a_reason(server, words, closure):
    client = server.connect("Close")
    client.send(words)
    assert client.ended() == closure


def test_a_consumer_sends_and_closes(server):
    client = server.connect("Close")
    client.send("with")
    assert client.rest() == (["last"], (4006, ""))


@pytest.mark.parametrize("words", ["stop", "fail"])
def test_a_consumer_that_stops_or_fails_ends_its_connection_alone(server, words):
    """The servers close with codes of their own."""
    consumer = "Close" if words == "stop" else "Fail"
    client, other = server.clients(2, consumer)
    client.send(words)
    with pytest.raises(ConnectionClosed):
        client.recv()
    assert other.is_served()


# Coroutines.


@pytest.mark.parametrize("command, answer", [
    ("sleep", "slept"),
    ("gather", "[6, 2, 4]"),
    ("wait_for", "timed out"),
    ("queue", "item"),
    ("database", "read"),
    ("thread", "THREAD"),
])
def test_a_coroutine_may(server, command, answer):
    assert server.connect("Wait").ask(command) == answer


def test_a_task_goes_on_after_its_handler(server):
    client = server.connect("Wait")
    client.send("create_task")
    assert client.take(2) == ["started", "told"]


def test_messages_of_a_client_wait_for_the_handler_that_runs(server):
    client = server.connect("Wait")
    client.send("slow")
    client.send("fast")
    assert client.take(2) == ["slow", "fast"]
