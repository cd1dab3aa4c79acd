"""Source plugins in Python: consumers of Django Channels, unmodified."""

import json
import re

import pytest

from admin import ADMIN, Admin
from python_plugin import ASYNC, SYNC
from redis_server import Redis
from support import eventually

both_isolations = pytest.mark.parametrize("isolation", ["shared", "connection"])

ROOMS = [{"path": "/chat/{room}/", "plugin": "group"}]

RAW = """
from channels.consumer import SyncConsumer
from channels.exceptions import StopConsumer

class RawConsumer(SyncConsumer):
    def websocket_connect(self, message):
        self.send({"type": "websocket.accept"})

    def websocket_receive(self, message):
        if message.get("text") == "stop":
            raise StopConsumer()
        self.send({"type": "websocket.send", **{key: message[key] for key in ("text", "bytes") if key in message}})

    def websocket_disconnect(self, message):
        print("left with", message["code"], message.get("reason"))
        raise StopConsumer()
"""


@pytest.fixture
def lesson(serve, root):
    """Starts a host that serves a lesson in Python at /NAME/."""

    def start(name, isolation="shared", **settings):
        table = {"component": None, "source": str(root / "plugins/python" / name), "isolation": isolation}
        return serve(plugins={name: table}, **settings)

    return start


# The lessons.


@both_isolations
def test_an_echo_returns_texts_and_bytes(lesson, isolation):
    client = lesson("echo", isolation).connect("/echo/")
    assert client.ask("grüße") == "grüße"
    assert client.ask(b"\x00\xff") == b"\x00\xff"
    assert client.ask("") == ""


def test_a_set_in_a_module_has_all_clients_of_a_shared_instance(lesson):
    host = lesson("broadcast")
    clients = [host.connect("/broadcast/") for _ in range(3)]
    clients[0].send("hello")
    assert [client.recv() for client in clients] == ["hello"] * 3
    clients.pop().close()
    clients[1].send("two")
    assert [client.recv() for client in clients] == ["two"] * 2


def test_a_module_has_one_client_with_isolation_connection(lesson):
    host = lesson("broadcast", "connection")
    first, second = [host.connect("/broadcast/") for _ in range(2)]
    assert first.ask("hello") == "hello"
    assert second.ask("own") == "own"


@both_isolations
def test_a_group_reaches_its_members_and_no_others(lesson, isolation):
    host = lesson("group", isolation, routes=ROOMS)
    members = [host.connect("/chat/one/") for _ in range(3)]
    other = host.connect("/chat/two/")
    members[0].send("hello")
    assert [member.recv() for member in members] == ["hello"] * 3
    assert other.ask("alone") == "alone"


@both_isolations
def test_a_member_that_has_left_gets_nothing(lesson, isolation):
    host = lesson("group", isolation, routes=ROOMS)
    stays, leaves = [host.connect("/chat/one/") for _ in range(2)]
    leaves.close()
    assert stays.ask("anyone?") == "anyone?"


# Raw consumers.


@both_isolations
def test_a_raw_consumer_has_the_messages_of_asgi(python, isolation):
    plugin = python(RAW, isolation=isolation)
    client = plugin.connect()
    assert client.ask("text") == "text"
    assert client.ask(b"bytes") == b"bytes"
    client.close(4000, "enough")
    plugin.host.logged("left with 4000 enough")


def test_stop_consumer_closes_the_connection(python):
    client = python(RAW).connect()
    client.send("stop")
    assert client.ended() == (1000, "")


def test_a_raw_asynchronous_consumer_has_the_messages_of_asgi(python):
    client = python("""
        from channels.consumer import AsyncConsumer

        class RawConsumer(AsyncConsumer):
            async def websocket_connect(self, message):
                await self.send({"type": "websocket.accept"})

            async def websocket_receive(self, message):
                await self.send({"type": "websocket.send", "text": message["text"]})
                await self.send({"type": "websocket.close", "code": 4001})
    """).connect()
    assert client.ask("hello") == "hello"
    assert client.ended() == (4001, "")


# Consumers with JSON.

JSON = [
    """
        from channels.generic.websocket import JsonWebsocketConsumer

        class Sums(JsonWebsocketConsumer):
            def receive_json(self, content):
                self.send_json({"sum": sum(content)})
    """,
    """
        from channels.generic.websocket import AsyncJsonWebsocketConsumer

        class Sums(AsyncJsonWebsocketConsumer):
            async def receive_json(self, content):
                await self.send_json({"sum": sum(content)})
    """,
]


@pytest.mark.parametrize("source", JSON, ids=["sync", "async"])
def test_a_json_consumer_gets_and_sends_values(python, source):
    client = python(source).connect()
    assert json.loads(client.ask("[1, 2.5, 3]")) == {"sum": 6.5}


@pytest.mark.parametrize("source", JSON, ids=["sync", "async"])
@pytest.mark.parametrize("frame", ["[1, 2", "", b"[1]"], ids=["broken", "empty", "binary"])
def test_a_client_that_sends_no_json_is_to_blame(python, source, frame):
    plugin = python(source)
    client, other = plugin.clients(2)
    client.send(frame)
    assert client.ended()[0] == 1007
    assert json.loads(other.ask("[1]")) == {"sum": 1}
    assert "failed" not in plugin.host.log()


# Closing.


@pytest.mark.parametrize("call, closure", [
    ("self.close()", (1000, "")),
    ("self.close(4005)", (4005, "")),
    ("self.close(code=3000, reason='bye')", (3000, "bye")),
    ("self.send(text_data='last', close=4006)", (4006, "")),
    ("self.send(text_data='last', close=True)", (1000, "")),
])
def test_a_handler_closes_with_a_code_and_a_reason(python, call, closure):
    client = python(SYNC + f"""
class Closer(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        {call}
""").connect()
    client.send("close")
    messages, ended = client.rest()
    assert (messages, ended) == (["last"] if "last" in call else [], closure)


@pytest.mark.parametrize("code", [1001, 1006, 2999, 5000])
def test_a_code_that_a_plugin_may_not_send_is_an_error_that_names_the_codes(python, code):
    plugin = python(SYNC + f"""
class Closer(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.close({code})
""")
    client = plugin.connect()
    client.send("close")
    assert client.ended() == (1011, "consumer failed")
    plugin.host.logged(f"a plugin can close with 1000 or 3000 to 4999, not with {code} ")


def test_disconnect_gets_the_code_of_the_client(python):
    plugin = python(SYNC + """
class Closer(WebsocketConsumer):
    def disconnect(self, code):
        print("left with", code)
""")
    plugin.connect().close(4321)
    plugin.host.logged("left with 4321")
    plugin.host.raw("/chat/").reset()
    plugin.host.logged("left with 1006")


# Errors.

HANDLERS = """
from channels.generic.websocket import {base}
from channels.layers import get_channel_layer

class Faulty({base}):
    {async_}def receive(self, text_data=None, bytes_data=None):
        if text_data == "receive":
            raise LookupError("in receive")
        if text_data == "handler":
            event = {{"type": "some.event"}}
            {group_send}
        {await_}self.send(text_data=text_data)

    {async_}def some_event(self, event):
        raise LookupError("in handler")

    {async_}def disconnect(self, code):
        if code == 4999:
            raise LookupError("in disconnect")
"""


def faulty(kind):
    if kind == "async":
        group_send = "await self.channel_layer.send(self.channel_name, event)"
        return HANDLERS.format(base="AsyncWebsocketConsumer", async_="async ", await_="await ", group_send=group_send)
    group_send = "async_to_sync(self.channel_layer.send)(self.channel_name, event)"
    source = "from asgiref.sync import async_to_sync\n" + HANDLERS
    return source.format(base="WebsocketConsumer", async_="", await_="", group_send=group_send)


@both_isolations
@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("handler", ["receive", "handler"])
def test_an_exception_in_a_handler_closes_this_connection_alone(python, isolation, kind, handler):
    plugin = python(faulty(kind), isolation=isolation)
    client, other = plugin.clients(2)
    client.send(handler)
    messages, closure = client.rest()
    assert closure == (1011, "consumer failed")
    assert messages == (["handler"] if handler == "handler" else [])
    plugin.host.logged(rf"LookupError: in {handler}")
    assert other.ask("still here") == "still here"


@both_isolations
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_exception_in_disconnect_is_logged_and_others_go_on(python, isolation, kind):
    plugin = python(faulty(kind), isolation=isolation)
    client, other = plugin.clients(2)
    client.close(4999)
    plugin.host.logged("LookupError: in disconnect")
    assert other.ask("still here") == "still here"


def test_frames_before_an_exception_are_sent(python):
    client = python(SYNC + """
class Faulty(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data="before")
        raise ValueError
""").connect()
    client.send("fail")
    assert client.rest() == (["before"], (1011, "consumer failed"))


@both_isolations
@pytest.mark.parametrize("statement, name", [
    ("down = lambda n: down(n + 1); down(0)", "RecursionError"),
    ("bytearray(1 << 30)", "MemoryError"),
    ("[0] * (1 << 28)", "MemoryError"),
    ("__import__('sys').exit(3)", "SystemExit"),
    ("raise SystemExit", "SystemExit"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ("raise GeneratorExit", "GeneratorExit"),
    ("assert not text_data, 'a text'", "AssertionError: a text"),
])
def test_an_exception_that_would_end_a_process_closes_one_connection(python, isolation, statement, name):
    plugin = python(SYNC + f"""
class Faulty(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        if text_data == "fail":
            {statement}
        self.send(text_data=text_data)
""", isolation=isolation)
    client, other = plugin.clients(2)
    client.send("fail")
    assert client.ended() == (1011, "consumer failed")
    plugin.host.logged(name)
    assert other.ask("still here") == "still here"


@pytest.mark.parametrize("statement, name", [
    ("down = lambda n: down(n + 1); down(0)", "RecursionError"),
    ("bytearray(1 << 30)", "MemoryError"),
])
def test_a_handler_can_catch_such_an_exception(python, statement, name):
    client = python(SYNC + f"""
class Careful(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        try:
            {statement}
        except {name} as error:
            self.send(text_data=type(error).__name__)
""").connect()
    assert [client.ask("fail") for _ in range(3)] == [name] * 3


# The channel layer.

TYPES = SYNC + """
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

class Types(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        if text_data == "ping":
            return self.send(text_data="pong")
        layer = get_channel_layer()
        async_to_sync(layer.send)(self.channel_name, {"type": text_data, "text": text_data})

    def chat_message(self, event):
        self.send(text_data="handled " + event["text"])
"""


@pytest.mark.parametrize("type_", ["chat.message", "chat_message"])
def test_full_stops_and_underscores_of_a_type_name_the_same_handler(python, type_):
    assert python(TYPES).connect().ask(type_) == f"handled {type_}"


def test_a_message_of_a_type_without_a_handler_is_counted_and_ignored(python):
    plugin = python(TYPES, admin=ADMIN)
    client = plugin.connect()
    client.send("chat.unknown")
    assert client.ask("ping") == "pong"

    def is_counted():
        metrics = Admin(plugin.host).ask("/metrics").body.decode()
        return re.search(r"^narrowboat_guest_unknown_messages_total{.*} 1$", metrics, re.MULTILINE)

    # The consumer may handle the frame before its message.
    eventually(is_counted, "the message")


def test_a_consumer_is_in_the_groups_of_its_class(python):
    plugin = python(SYNC + """
from asgiref.sync import async_to_sync

class Members(WebsocketConsumer):
    groups = ["everyone"]

    def receive(self, text_data=None, bytes_data=None):
        async_to_sync(self.channel_layer.group_send)("everyone", {"type": "said", "text": text_data})

    def said(self, event):
        self.send(text_data=event["text"])
""")
    first, second = plugin.clients(2)
    first.send("hello")
    assert (first.recv(), second.recv()) == ("hello", "hello")


def test_a_message_keeps_its_values(python):
    client = python(ASYNC + """
class Mirror(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        event = {
            "type": "mirror", "none": None, "yes": True, "small": -5, "large": 1 << 63, "float": 0.5, "text": "ü",
            "bytes": b"\\x00\\xff", "list": [1, [2]], "tuple": (1, 2), "dict": {"a": {"b": 1}},
        }
        await self.channel_layer.send(self.channel_name, event)

    async def mirror(self, event):
        await self.send(text_data=repr(event))
""").connect()
    values = eval(client.ask("send"))
    assert values.pop("type") == "mirror"
    assert values == {
        "none": None, "yes": True, "small": -5, "large": 1 << 63, "float": 0.5, "text": "ü",
        "bytes": b"\x00\xff", "list": [1, [2]], "tuple": [1, 2], "dict": {"a": {"b": 1}},
    }  # fmt: skip


def test_a_group_that_the_plugin_may_not_use_is_an_error_that_says_so(python):
    plugin = python(ASYNC + """
class Members(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        try:
            await self.channel_layer.group_add("secret", self.channel_name)
        except PermissionError as error:
            await self.send(text_data=str(error))
""", manifest={"capabilities": {"groups": ["chat_*"]}})
    assert "secret" in plugin.connect().ask("join")


def test_a_name_that_is_not_valid_is_a_type_error(python):
    plugin = python(ASYNC + """
class Members(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        try:
            await self.channel_layer.group_add(text_data, self.channel_name)
        except TypeError as error:
            await self.send(text_data=str(error))
""")
    assert "not a name" in plugin.connect().ask("not a name!")


@pytest.fixture(params=["memory", "redis"])
def layer(request):
    """The table of each layer."""
    if request.param == "memory":
        yield {}
        return
    with Redis() as redis:
        yield {"backend": "redis", "hosts": [redis.address]}


def test_a_group_works_over_each_layer(lesson, layer):
    host = lesson("group", routes=ROOMS, layer=layer)
    members = [host.connect("/chat/one/") for _ in range(3)]
    for number, member in enumerate(members):
        member.send(f"{number}")
        assert [each.recv() for each in members] == [f"{number}"] * 3


# Helpers of asgiref and Channels.


def test_a_function_of_the_database_is_awaitable(python):
    client = python(ASYNC + """
from channels.db import database_sync_to_async
from asgiref.sync import sync_to_async

class Reader(AsyncWebsocketConsumer):
    @database_sync_to_async
    def find(self, name):
        return f"found {name}"

    async def receive(self, text_data=None, bytes_data=None):
        found = await self.find(text_data)
        await self.send(text_data=await sync_to_async(found.upper)())
""").connect()
    assert client.ask("ada") == "FOUND ADA"


def test_a_coroutine_that_does_not_wait_runs_in_a_synchronous_handler(python):
    client = python(SYNC + """
import asyncio
from asgiref.sync import async_to_sync

class Caller(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=async_to_sync(double)(text_data))

async def double(text):
    return "".join(await asyncio.gather(one(text), one(text)))

async def one(text):
    return text
""").connect()
    assert client.ask("ab") == "abab"


def test_a_coroutine_that_waits_in_a_synchronous_handler_is_an_error_with_its_line(python):
    plugin = python(SYNC + """
import asyncio
from asgiref.sync import async_to_sync

class Caller(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        async_to_sync(late)()

async def late():
    await asyncio.sleep(1)
""")
    client = plugin.connect()
    client.send("call")
    assert client.ended()[0] == 1011
    plugin.host.logged(r"async_to_sync would have to wait.*consumers\.py:\d+ in late.*use an AsyncConsumer")
