"""What a plugin can do, in each language that plugins are written in: the same test for each."""

import json
import re
import time

import jwt
import pytest

from admin import ADMIN, Admin
from http_server import listening
from languages import LANGUAGES
from redis_server import Redis
from support import BINARY, CLOSE, TEXT, closure, eventually, frame

SECRET = "a secret that is long enough for the hash of the tokens"
DESK = "powers.desk"


@pytest.fixture(scope="module", params=LANGUAGES)
def language(request, root, component):
    return LANGUAGES[request.param](root, component)


@pytest.fixture(scope="module")
def serve_powers(language, serving, tmp_path_factory):
    """Context manager that serves the guest in a language at /powers/. `asks` changes what its manifest requests, and
    `table` has further keys of its plugin table."""

    def start(asks=None, top=None, table=None, **settings):
        folder = tmp_path_factory.mktemp("powers")
        plugins = {"powers": language.table(folder, **(asks or {})) | (table or {})}
        routes = [{"path": path, "plugin": "powers"} for path in ("/powers/", "/powers/{room}/")]
        secret = folder / "secret"
        secret.write_text(SECRET)
        users = {"jwt": {"secret_file": str(secret), "algorithms": ["HS256"]}}
        top = {"users": users} | (top or {})
        workers = [{"channel": DESK, "plugin": "powers"}]
        settings = {"layer": {"capacity": 10}, "workers": workers, "log": "debug"} | settings
        return serving(plugins=plugins, routes=routes, top=top, admin=ADMIN, **settings)

    return start


@pytest.fixture(scope="module")
def host(serve_powers):
    with serve_powers() as host:
        yield host


@pytest.fixture(scope="module")
def redis():
    with Redis() as redis:
        yield redis


@pytest.fixture(scope="module", params=["memory", "redis"])
def layered(request, serve_powers):
    """A host with each backend of the layer and of the key-value store."""
    settings = {}
    if request.param == "redis":
        redis = request.getfixturevalue("redis")
        redis.ask("FLUSHALL")
        table = {"backend": "redis", "hosts": [redis.address]}
        settings = {"layer": table | {"capacity": 10}, "top": {"keyvalue": table}}
    with serve_powers(**settings) as host:
        yield host


@pytest.fixture(scope="module")
def powerless(serve_powers):
    """A host with the guest, whose manifest requests nothing."""
    nothing = dict.fromkeys(["groups", "channels", "log", "clocks", "random", "keyvalue", "http"])
    with serve_powers(asks=nothing) as host:
        yield host


def connect(host, query="", **options):
    return host.connect(f"/powers/?{query}", **options)


def handshake(host, query):
    """The response to a handshake."""
    raw = host.tcp()
    raw.request(f"/powers/?{query}")
    return raw.response()


@pytest.fixture
def client(host):
    return connect(host)


@pytest.fixture
def member(layered):
    return connect(layered)


@pytest.fixture
def sender(layered):
    return connect(layered)


# Several events in one call.


def test_the_frames_of_a_row_are_answered_up_to_one_that_fails(powerless):
    raw = powerless.raw("/powers/")
    row = [frame(BINARY, b"%d!" % number) for number in range(4)]
    raw.send(b"".join([*row, frame(TEXT, b"no command"), frame(BINARY, b"late")]))
    assert [raw.recv_frame() for _ in row] == [(BINARY, b"!%d" % number) for number in range(4)]
    opcode, payload = raw.recv_frame()
    assert (opcode, closure(payload)) == (CLOSE, (1011, "consumer failed"))


# The handshake.


def test_a_handshake_is_accepted_with_a_subprotocol_and_a_header(host):
    client = connect(host, "subprotocol=b", subprotocols=["a", "b"])
    assert client.subprotocol == "b"
    assert client.response.headers["x-powers"] == "accepted"


def test_a_handshake_is_rejected_with_a_status_a_header_and_a_body(host):
    answer = handshake(host, "reject=418")
    assert (answer.status, answer.header("x-powers"), answer.body) == (418, "rejected", b"rejected")


def test_a_handshake_is_accepted_later(host):
    client = connect(host, "later=50")
    assert client.response.headers["x-powers"] == "accepted"
    assert client.ask("channel")


def test_a_handshake_is_rejected_later(host):
    answer = handshake(host, "later=50&reject=418")
    assert (answer.status, answer.header("x-powers"), answer.body) == (418, "rejected", b"rejected")


def test_a_connection_closes_right_after_its_handshake(host):
    messages, closure = connect(host, "farewell=4001").rest()
    assert (messages, closure) == (["farewell"], (4001, "goodbye"))


def test_the_scope_describes_the_handshake(host):
    token = jwt.encode({"sub": "ada", "exp": int(time.time()) + 3600}, SECRET, "HS256")
    headers = {"X-Test": "one", "Authorization": f"Bearer {token}"}
    client = host.connect("/powers/a%20b/?c=d", additional_headers=headers, subprotocols=["a", "b"])
    scope = json.loads(client.ask("scope"))
    assert scope.pop("user")["sub"] == "ada"
    assert scope == {
        "path": "/powers/a b/",
        "query": "c=d",
        "room": "a b",
        "header": "one",
        "client": "127.0.0.1",
        "subprotocols": ["a", "b"],
    }


def test_without_a_token_the_scope_has_no_user(client):
    assert json.loads(client.ask("scope"))["user"] is None


# Frames and the end.


def test_binary_frames_are_bytes(client):
    assert client.ask(b"\0\1\xff") == b"\xff\1\0"


@pytest.mark.parametrize("code", [1000, 3000, 4999])
def test_a_consumer_closes_with_a_code_and_a_reason(client, code):
    client.send(f"close {code} thank you")
    assert client.ended() == (code, "thank you")


@pytest.mark.parametrize("code", [1007, 4000])
def test_an_error_may_blame_the_client(client, code):
    client.send(f"blame {code} no good")
    assert client.ended() == (code, "no good")


def test_another_error_ends_the_connection_alone_and_is_in_the_log(host, client):
    other, since = connect(host), len(host.log())
    client.send("fail on demand")
    assert client.ended() == (1011, "consumer failed")
    host.logged("on demand", since)
    assert other.ask("channel")


def test_a_consumer_learns_the_code_of_its_client(host, client):
    since = len(host.log())
    client.close(4321)
    host.logged("disconnected with 4321", since)


# Timers.


def test_timers_fire_in_the_order_of_their_times(client):
    for text in ("150 late", "10 early"):
        assert client.ask(f"timer {text}") == "ok"
    assert client.take(2) == ["fired: early", "fired: late"]


def test_a_timer_that_is_cleared_does_not_fire(client):
    for command in ("timer 80 kept", "timer 20 cleared", "clear"):
        assert client.ask(command) == "ok"
    assert client.recv() == "fired: kept"


# The channel layer.


def test_a_message_reaches_a_channel(member, sender):
    assert sender.ask(f"send {member.ask('channel')} over there") == "ok"
    assert member.recv() == "message: over there"


def test_a_message_reaches_the_members_of_a_group(member, sender):
    assert member.ask("join powers.room") == "ok"
    assert sender.ask("tell powers.room héllo") == "ok"
    assert member.recv() == "message: héllo"


def test_a_channel_that_has_left_a_group_gets_nothing(member, sender):
    for command in ("join powers.left", "join powers.stays", "leave powers.left"):
        assert member.ask(command) == "ok"
    for command in ("tell powers.left lost", "tell powers.stays kept"):
        assert sender.ask(command) == "ok"
    assert member.recv() == "message: kept"


def test_another_channel_can_be_made_a_member(member, sender):
    assert sender.ask(f"join powers.invited {member.ask('channel')}") == "ok"
    assert sender.ask("tell powers.invited welcome") == "ok"
    assert member.recv() == "message: welcome"


@pytest.mark.parametrize(("command", "received"), [("frame", "héllo"), ("bytes", "héllo".encode())])
def test_a_frame_reaches_the_sockets_of_a_group(member, sender, command, received):
    assert member.ask("join powers.sockets") == "ok"
    assert sender.ask(f"{command} powers.sockets héllo") == "ok"
    assert member.recv() == received


def test_a_channel_that_nobody_reads_is_full_at_its_capacity(host, client):
    answers = [client.ask(f"send powers.unread {number}") for number in range(11)]
    assert answers == ["ok"] * 10 + ["error: full"]


@pytest.mark.parametrize("command", ["tell powers/room x", "join powers/room", "frame powers/room x", "send powers/channel x"])
def test_an_invalid_name_is_an_error(member, command):
    assert member.ask(command) == "error: invalid name"


@pytest.mark.parametrize("command", ["tell other x", "join other", "leave other", "frame other x", "send other x"])
def test_a_name_that_the_manifest_does_not_request_is_denied(member, command):
    assert member.ask(command) == "error: denied"


@pytest.mark.parametrize("command", ["tell powers.room x", "join powers.room", "frame powers.room x", "send powers.x x"])
def test_without_the_capability_the_layer_is_denied(powerless, command):
    assert connect(powerless).ask(command) == "error: denied"


def test_the_channel_of_a_connection_needs_no_capability(powerless):
    client, other = connect(powerless), connect(powerless)
    assert client.ask(f"send {other.ask('channel')} hello") == "ok"
    assert other.recv() == "message: hello"


def test_a_message_that_is_too_large_is_an_error(client):
    assert client.ask("large powers.desk 1100000") == "error: too large"


# Workers.


def test_a_worker_handles_messages_and_replies(member):
    assert member.ask(f"double {DESK} 21") == "ok"
    assert member.recv() == f"message: 42 from {DESK}"


def test_a_worker_that_fails_handles_the_next_message(host, client):
    since = len(host.log())
    assert client.ask(f"send {DESK} nonsense") == "ok"
    assert client.ask(f"double {DESK} 4") == "ok"
    assert client.recv() == f"message: 8 from {DESK}"
    host.logged("WARN|ERROR", since)


# The key-value store.


def test_a_value_is_set_read_and_deleted(member):
    assert member.ask("get notes a") == "none"
    assert member.ask("set notes a one two") == "ok"
    assert member.ask("get notes a") == "= one two"
    assert member.ask("exists notes a") == "true"
    assert member.ask("delete notes a") == "ok"
    assert member.ask("exists notes a") == "false"


def test_a_number_is_added_to(member):
    assert member.ask("add numbers n 40") == "40"
    assert member.ask("add numbers n -50") == "-10"
    assert member.ask("set numbers n seven") == "ok"
    assert member.ask("add numbers n 1") == "error: other"


def test_keys_are_listed(member):
    for key in ("b", "a"):
        assert member.ask(f"set list {key} x") == "ok"
    assert member.ask("keys list") == "a b"
    assert member.ask("keys empty") == ""


def test_values_outlive_the_connection(layered, member):
    assert member.ask("set kept a 1") == "ok"
    member.close()
    assert connect(layered).ask("get kept a") == "= 1"


def test_the_name_of_a_bucket_is_checked(member):
    assert member.ask("get a/b c") == "error: invalid name"


@pytest.mark.parametrize("command", ["get", "set", "delete", "exists", "add", "keys"])
def test_without_the_capability_the_store_is_denied(powerless, command):
    assert connect(powerless).ask(f"{command} notes a 1") == "error: denied"


# HTTP.


@pytest.fixture
def server():
    with listening() as server:
        server.url = f"http://localhost:{server.port}"
        yield server


@pytest.fixture
def fetching(serve_powers, server):
    """A client of the guest, which may reach the test's server. Every time-out of the host is longer than the test."""
    asks = {"http": [server.url], "private_addresses": True}
    timeouts = dict.fromkeys(["first_byte_timeout", "between_bytes_timeout", "total_timeout"], "1m")
    with serve_powers(asks, {"http_client": timeouts}) as host:
        yield connect(host)


def test_a_response_has_a_status_headers_and_a_body(fetching, server):
    assert fetching.ask(f"fetch {server.url}/hello") == "200 5 hello"
    assert fetching.ask(f"fetch {server.url}/nowhere") == "404 7 nothing"


def test_a_request_has_headers_and_a_body(fetching, server):
    asked = json.loads(fetching.ask(f"fetch {server.url}/asked").split(" ", 2)[2])
    assert asked["headers"]["x-test"] == "powers"
    asked = json.loads(fetching.ask(f"post {server.url}/asked {'x' * 10_000}").split(" ", 2)[2])
    assert (asked["method"], asked["body"]) == ("POST", 10_000)


def test_a_host_that_the_manifest_does_not_request_is_denied(fetching, server):
    with listening() as other:
        assert fetching.ask(f"fetch http://localhost:{other.port}/hello") == "error: denied"
        assert other.asked == []


def test_a_request_is_bounded_in_time(fetching, server):
    assert fetching.ask(f"fetch {server.url}/held 200") == "error: timed out"
    assert fetching.ask(f"fetch {server.url}/hello") == "200 5 hello"


@pytest.mark.parametrize("url", ["nonsense", "http://", "http://["])
def test_a_url_that_is_invalid_is_an_error(fetching, url):
    assert fetching.ask(f"fetch {url}") == "error: invalid request"


def test_without_the_capability_http_is_denied(host, client, server):
    assert client.ask(f"fetch {server.url}/hello") == "error: denied"
    assert server.asked == []


# The log, the clock and random numbers.

LEVELS = {"debug": "DEBUG", "info": "INFO", "warning": "WARN", "error": "ERROR", "critical": "ERROR"}


@pytest.mark.parametrize(("level", "shown"), LEVELS.items())
def test_a_line_of_the_log_has_its_level(host, client, level, shown):
    since = len(host.log())
    assert client.ask(f"log {level} a line") == "ok"
    line = host.logged(r".*a line.*", since)[0]
    assert re.search(rf"\b{shown}\b", line) and "powers" in line


def test_a_text_with_line_breaks_is_one_entry_of_the_log(host, client):
    since = len(host.log())
    assert client.ask("log info one\ntwo\n 2026-01-01T00:00:00Z ERROR forged") == "ok"
    host.logged("one", since)
    assert not re.search(r"^\s*2026-01-01", host.log()[since:], re.MULTILINE)


def test_without_the_capability_there_are_no_lines(powerless):
    client, since = connect(powerless), len(powerless.log())
    assert client.ask("log error a line") == "ok"
    assert client.ask("channel")
    assert "a line" not in powerless.log()[since:]


def test_the_time_is_that_of_the_host(client):
    assert abs(int(client.ask("time")) / 1000 - time.time()) < 10


def test_random_numbers_differ(client):
    assert len({client.ask("random") for _ in range(10)}) == 10


# Figures.


def figure(host, name, **labels):
    """The sum of a metric over its labels, of which some are given."""
    lines = re.findall(rf"^narrowboat_{name}{{(.*)}} (\S+)$", Admin(host).ask("/metrics").body.decode(), re.MULTILINE)
    wanted = {f'{label}="{value}"' for label, value in labels.items()}
    return sum(float(value) for labels, value in lines if wanted <= set(labels.split(",")))


def test_an_error_counts_as_a_fault_of_the_plugin_and_one_of_the_client_does_not(host):
    before = figure(host, "guest_faults_total", kind="error")
    for command in ("blame 4000 no good", "fail on demand"):
        client = connect(host)
        client.send(command)
        client.ended()
    assert figure(host, "guest_faults_total", kind="error") == before + 1


def test_a_message_of_an_unknown_type_is_ignored_and_counted(host, client):
    before = figure(host, "guest_unknown_messages_total")
    client.send(f"unknown {client.ask('channel')}")
    assert client.recv() == "ok"
    eventually(lambda: figure(host, "guest_unknown_messages_total") == before + 1, "a message that is counted")
    assert client.ask("channel")
