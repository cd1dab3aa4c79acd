"""Source plugins in Python: the scope of a connection, and the decision about its handshake."""

import json
import time

import jwt
import pytest
from websockets.exceptions import InvalidStatus

from python_plugin import ASYNC, SYNC
from support import UPGRADE

both_isolations = pytest.mark.parametrize("isolation", ["shared", "connection"])

# Answers with the value of an expression about the scope.
ORACLE = """
from channels.generic.websocket import WebsocketConsumer

class Oracle(WebsocketConsumer):
    def connect(self):
        self.accept()
        self.early = self.scope["path"]

    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=repr(eval(text_data, {"scope": self.scope, "self": self})))
"""

ROUTES = [
    {"path": "/chat/{room}/", "plugin": "chat"},
    {"regex": r"^/user/(?P<number>\d+)/$", "plugin": "chat"},
    {"path": "/", "plugin": "chat"},
]


@pytest.fixture(scope="module")
def oracle(serving_python):
    with serving_python(ORACLE, routes=ROUTES) as plugin:
        yield plugin


def value(client, expression):
    return eval(client.ask(expression))


def response(plugin, path="/chat/", **headers):
    """The response to a handshake that is rejected."""
    raw = plugin.host.tcp()
    raw.request(path, headers=UPGRADE | headers)
    return raw.response()


# The scope.


def test_the_scope_has_the_path_and_the_query_string(oracle):
    client = oracle.host.connect("/chat/a%20room/?name=ada&x=%2F")
    assert value(client, "scope['path']") == "/chat/a room/"
    assert value(client, "scope['raw_path']") == b"/chat/a%20room/"
    assert value(client, "scope['query_string']") == b"name=ada&x=%2F"
    assert value(client, "(scope['type'], scope['scheme'], scope['http_version'])") == ("websocket", "ws", "1.1")


def test_the_scope_has_the_arguments_of_the_route(oracle):
    room, user = oracle.host.connect("/chat/lobby/"), oracle.host.connect("/user/42/")
    assert value(room, "scope['url_route']['kwargs']") == {"room": "lobby"}
    assert value(user, "scope['url_route']") == {"args": (), "kwargs": {"number": "42"}}


def test_the_scope_has_the_headers_as_bytes(oracle):
    client = oracle.host.connect("/", additional_headers=[("X-Name", "Ada"), ("X-Name", "Bob")])
    headers = value(client, "scope['headers']")
    assert [field for name, field in headers if name == b"x-name"] == [b"Ada", b"Bob"]
    assert dict(map(tuple, headers))[b"upgrade"] == b"websocket"


def test_the_scope_has_the_cookies(oracle):
    client = oracle.host.connect("/", additional_headers={"Cookie": 'session=abc; quoted="a b"; empty='})
    assert value(client, "scope['cookies']") == {"session": "abc", "quoted": "a b", "empty": ""}


def test_the_scope_has_the_addresses(oracle):
    client = oracle.host.connect("/")
    assert value(client, "scope['client']") == list(client.local_address)
    assert value(client, "scope['server']") == ["127.0.0.1", oracle.host.port]


def test_a_key_that_the_scope_lacks_is_a_key_error(oracle):
    client = oracle.host.connect("/")
    assert value(client, "scope.get('nothing', 'default')") == "default"
    assert value(client, "'nothing' in scope, 'path' in scope") == (False, True)


def test_without_a_user_the_scope_has_an_anonymous_one(oracle):
    client = oracle.host.connect("/")
    expression = "str(scope['user']), scope['user'].is_authenticated, scope['user'].is_anonymous"
    assert value(client, expression) == ("AnonymousUser", False, True)


def test_the_scope_has_the_claims_of_the_user(python, tmp_path):
    secret = "a secret that is long enough for the hash that signs it"
    file = tmp_path / "secret"
    file.write_text(secret)
    users = {"required": True, "jwt": {"secret_file": str(file), "from": ["query:token"], "algorithms": ["HS256"]}}
    plugin = python(ORACLE, top={"users": users})
    claims = {"sub": "ada", "exp": int(time.time()) + 3600, "rooms": ["one", "two"], "is_staff": True}
    client = plugin.connect(f"token={jwt.encode(claims, secret, 'HS256')}")
    user = value(client, "(lambda user: (str(user), user.is_authenticated, user.is_staff, user.rooms, user.pk))(scope['user'])")
    assert user == ("ada", True, True, ["one", "two"], "ada")
    assert value(client, "scope['user'].claims") == claims


def test_the_scope_can_be_changed(python):
    client = python(SYNC + """
class Keeper(WebsocketConsumer):
    def connect(self):
        self.scope["session"]["visits"] = 1
        self.scope["room"] = "lobby"
        self.accept()

    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=f"{self.scope['session']['visits']} {self.scope['room']}")
""").connect()
    assert client.ask("what") == "1 lobby"


def test_each_connection_has_a_channel_name_of_its_own(oracle):
    names = {value(oracle.host.connect("/"), "self.channel_name") for _ in range(3)}
    assert len(names) == 3


# Accepting.


@both_isolations
@pytest.mark.parametrize("base, words", [("WebsocketConsumer", ("", "")), ("AsyncWebsocketConsumer", ("async ", "await "))])
def test_a_consumer_accepts_with_a_subprotocol_and_headers(python, isolation, base, words):
    define, wait = words
    plugin = python(f"""
from channels.generic.websocket import {base}

class Chooser({base}):
    {define}def connect(self):
        offered = self.scope["subprotocols"]
        {wait}self.accept(subprotocol=offered[-1], headers=[(b"x-offered", ",".join(offered).encode())])
""", isolation=isolation)
    client = plugin.connect(subprotocols=["one", "two"])
    assert client.subprotocol == "two"
    assert client.response.headers["x-offered"] == "one,two"


def test_frames_that_connect_sends_follow_the_acceptance(python):
    client = python(SYNC + """
class Greeter(WebsocketConsumer):
    def connect(self):
        self.accept()
        self.send(text_data="welcome")
        self.send(bytes_data=b"!")
""").connect()
    assert client.take(2) == ["welcome", b"!"]


def test_accept_connection_accepts(python):
    client = python(SYNC + """
from channels.exceptions import AcceptConnection

class Accepter(WebsocketConsumer):
    def connect(self):
        raise AcceptConnection()

    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=text_data)
""").connect()
    assert client.ask("in") == "in"


@both_isolations
def test_a_close_after_the_acceptance_within_connect_has_its_code_and_reason(python, isolation):
    client = python(ASYNC + """
class Closer(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        await self.send(text_data="the room is full")
        await self.close(4004, "full")
""", isolation=isolation).connect()
    assert client.rest() == (["the room is full"], (4004, "full"))


# Rejecting.


@pytest.mark.parametrize("statement", [
    "self.close()",
    "self.close(4000, 'a code is of no use here')",
    "raise DenyConnection()",
    "raise StopConsumer()",
    "self.send(text_data='early', close=True) if self.close() else None",
])
@pytest.mark.parametrize("kind", ["sync", "async"])
@both_isolations
def test_a_consumer_rejects_with_403(python, isolation, kind, statement):
    if kind == "async":
        statement = statement.replace("self.close(", "await self.close(")
    plugin = python(f"""
from channels.exceptions import DenyConnection, StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer

class Doorman({"AsyncWebsocketConsumer" if kind == "async" else "WebsocketConsumer"}):
    {"async " if kind == "async" else ""}def connect(self):
        {statement}
""", isolation=isolation)
    assert response(plugin).status == 403


@both_isolations
def test_a_consumer_rejects_with_a_response_of_its_own(python, isolation):
    plugin = python(ASYNC + """
class Doorman(AsyncWebsocketConsumer):
    async def connect(self):
        headers = [(b"content-type", b"application/json"), (b"x-reason", b"banned")]
        await self.base_send({"type": "websocket.http.response.start", "status": 451, "headers": headers})
        await self.base_send({"type": "websocket.http.response.body", "body": b'{"error":', "more_body": True})
        await self.base_send({"type": "websocket.http.response.body", "body": b' "banned"}'})
""", isolation=isolation)
    rejected = response(plugin)
    assert (rejected.status, json.loads(rejected.body)) == (451, {"error": "banned"})
    assert (rejected.header("content-type"), rejected.header("x-reason")) == ("application/json", "banned")


def test_rejected_has_a_status_headers_and_a_body(python):
    plugin = python(SYNC + """
from narrowboat import Rejected

class Doorman(WebsocketConsumer):
    def connect(self):
        raise Rejected(429, "slow down", {"retry-after": "7"})
""")
    rejected = response(plugin)
    assert (rejected.status, rejected.body, rejected.header("retry-after")) == (429, b"slow down", "7")


@both_isolations
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_exception_in_connect_is_answered_500(python, isolation, kind):
    define = "async " if kind == "async" else ""
    plugin = python(f"""
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer

class Doorman({"Async" if define else ""}WebsocketConsumer):
    {define}def connect(self):
        raise LookupError("no such room")
""", isolation=isolation)
    rejected = response(plugin)
    assert (rejected.status, b"room" in rejected.body) == (500, False)
    plugin.host.logged(r"LookupError: no such room \(consumers\.py:6 in connect\)")


def test_an_exception_in_init_is_answered_500(python):
    plugin = python(SYNC + """
class Doorman(WebsocketConsumer):
    def __init__(self, *args, **kwargs):
        raise LookupError("no such room")
""")
    assert response(plugin).status == 500
    plugin.host.logged(r"LookupError: no such room \(consumers\.py:5 in __init__\)")


@pytest.mark.parametrize("call, text", [
    ("self.send(text_data='early')", "Socket has not been accepted, so cannot send over it"),
    ("(self.accept(), self.accept())", r"the handshake is decided already: accept\(\) works once"),
])
def test_a_wrong_order_in_connect_is_an_error_that_says_so(python, call, text):
    plugin = python(SYNC + f"""
class Doorman(WebsocketConsumer):
    def connect(self):
        {call}
""")
    assert response(plugin).status == 500
    plugin.host.logged(text)


def test_a_rejected_client_gets_no_connection(python):
    plugin = python(SYNC + """
class Doorman(WebsocketConsumer):
    def connect(self):
        self.close()

    def disconnect(self, code):
        print("disconnect is not called")
""")
    with pytest.raises(InvalidStatus, match="403"):
        plugin.connect()
    assert "disconnect is not called" not in plugin.host.log()
