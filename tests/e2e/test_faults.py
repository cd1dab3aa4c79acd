"""Guests that fail: which connections end, and which continue."""

import re
import threading
import time
from contextlib import suppress

import pytest
from websockets.exceptions import InvalidStatus

from admin import ADMIN, Admin
from support import CLOSE, DEADLINE, TEXT, close_frame, eventually, frame, toml, with_manifest

MISBEHAVE = {"isolation": "connection"}

# Commands of a client, and the resulting text in the log.
FAILURES = {
    "trap": "asked to trap",
    "unreachable": "wasm `unreachable` instruction executed",
    "loop": "ran longer than its call_time of 100 ms",
    "hoard": "trap: ",
    "recurse": "call stack exhausted|out of bounds memory access",
    "endless-effects": "ran longer than its call_time",
    "error of its own": "returned an error: of its own",
    "bad-group": "returned an error: invalid name",
    "trap-in-handle": "asked to trap in handle",
    "trap-in-timer": "asked to trap in timer",
}


@pytest.fixture(scope="module")
def host(serving):
    with serving("echo", plugins={"misbehave": MISBEHAVE}) as host:
        yield host


@pytest.mark.parametrize(("way", "said"), FAILURES.items())
def test_a_failure_ends_its_own_connection_with_1011_and_no_other(host, way, said):
    other, same_plugin = host.connect("/echo/"), host.connect("/misbehave/")
    client = host.connect("/misbehave/")
    client.send(way)
    assert client.ended() == (1011, "consumer failed")
    host.logged(said)
    assert same_plugin.ask("ok") == "ok"
    assert other.ask("served") == "served"
    assert host.connect("/misbehave/").ask("ok") == "ok"


@pytest.mark.parametrize("way", ["trap-in-disconnect", "loop-in-disconnect"])
def test_a_failure_in_disconnect_is_nobody_elses(host, way):
    client = host.connect("/misbehave/")
    assert client.ask(way) == "ok"
    client.close()
    host.logged("ran longer" if way.startswith("loop") else "asked to trap in disconnect")
    assert host.connect("/misbehave/").ask("ok") == "ok"


# Errors and blame.


def figure(host, name, **labels):
    """The sum of a metric over all versions."""
    text = Admin(host).ask("/metrics").body.decode()
    lines = re.findall(rf"^narrowboat_{name}{{(.*)}} (\d+)$", text, re.MULTILINE)
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return sum(int(value) for found, value in lines if all(label in found for label in wanted))


def blamed(host):
    """The number of client errors, and the number of faults by kind."""
    kinds = {kind: figure(host, "guest_faults_total", kind=kind) for kind in ("trap", "timeout", "error", "contract")}
    return figure(host, "guest_client_errors_total"), {kind: count for kind, count in kinds.items() if count}


@pytest.fixture
def judged(serve):
    """A host whose metrics no other test changes."""
    return lambda **plugin: serve(plugins={"misbehave": MISBEHAVE | plugin}, admin=ADMIN, log="debug")


@pytest.mark.parametrize("isolation", ["connection", "shared"])
def test_json_that_a_client_spoilt_closes_it_with_1007_and_is_no_fault_of_the_plugin(judged, isolation):
    host = judged(isolation=isolation)
    neighbour = host.connect("/misbehave/")
    for garbage in ("{", "[1", '"x"', "-1", "99999999999", ""):
        client = host.connect("/misbehave/")
        client.send(f"json {garbage}")
        # The frames of the call are sent first.
        messages, (code, reason) = client.rest()
        assert (messages, code) == (["read"], 1007)
        assert reason.startswith("not the JSON that is expected: ")
    assert neighbour.ask("json 7") == "read" and neighbour.recv() == "7"
    host.logged("DEBUG.*the client broke a rule: the consumer closes with 1007")
    assert "WARN" not in host.log()
    assert blamed(host) == (6, {})


@pytest.mark.parametrize(("said", "closure"), [
    ("1007 not so", (1007, "not so")),
    ("4000", (4000, "")),
    ("4999 " + "é" * 200, (4999, "é" * 61)),
])  # fmt: skip
def test_a_plugin_chooses_what_a_client_is_blamed_with(judged, said, closure):
    host = judged()
    client = host.connect("/misbehave/")
    client.send(f"blame {said}")
    assert client.ended() == closure
    assert blamed(host) == (1, {})


@pytest.mark.parametrize("code", [0, 999, 1000, 1001, 1006, 1008, 1011, 1012, 1015, 2000, 3000, 3999, 5000, 65535])
def test_a_client_that_is_blamed_with_a_code_out_of_range_is_the_plugins_fault(judged, code):
    host = judged()
    client = host.connect("/misbehave/")
    client.send(f"blame {code} why")
    assert client.ended() == (1011, "consumer failed")
    host.logged(f'WARN.*broke the contract: blamed its client with {code}, "why"')
    assert blamed(host) == (0, {"contract": 1})


def test_a_client_may_be_blamed_for_a_message_too(judged):
    host = judged()
    client = host.connect("/misbehave/")
    client.send("blame-in-handle 4009")
    assert client.ended() == (4009, "a message says so")
    assert blamed(host) == (1, {})


def test_a_message_that_cannot_be_read_is_the_plugins_fault_since_a_consumer_sent_it(judged):
    host = judged()
    client = host.connect("/misbehave/")
    client.send("broken-message")
    assert client.ended() == (1011, "consumer failed")
    host.logged('message "misbehave.blame" lacks the field "code"')
    assert blamed(host) == (0, {"error": 1})


def test_a_panic_is_the_plugins_fault_whatever_bytes_led_to_it(judged):
    host = judged()
    client = host.connect("/misbehave/")
    client.send("json-or-panic {")
    assert client.ended() == (1011, "consumer failed")
    assert blamed(host) == (0, {"trap": 1})


def test_a_close_with_a_code_out_of_range_is_the_plugins_fault(serve):
    host = serve("closer", admin=ADMIN)
    client = host.connect("/closer/")
    client.send("close 1001 going")
    assert client.ended() == (1011, "consumer failed")
    assert blamed(host) == (0, {"contract": 1})


@pytest.mark.parametrize("overflow", ["close", "refuse"])
def test_an_error_for_a_client_that_does_not_read_is_no_fault_of_the_plugin(serve, overflow):
    plugins = {"misbehave": MISBEHAVE | {"overflow": overflow}}
    host = serve(plugins=plugins, admin=ADMIN, limits={"outbound_queue": "16 KiB"}, log="debug")
    raw = host.tcp(receive_buffer=4096)
    raw.request("/misbehave/")
    assert raw.response().status == 101

    def asks_for_more():
        """Each reply fits into an empty queue."""
        with suppress(OSError):
            raw.send(frame(TEXT, b"flood 3 4096") * 20)
        return blamed(host)[0] > 0

    eventually(asks_for_more, "a client error")
    host.logged("it does not read, and .* bytes wait for it")
    assert blamed(host) == (1, {})
    assert "returned an error" not in host.log()


def test_a_call_that_sends_more_than_an_empty_queue_takes_is_the_plugins_fault(serve):
    plugins = {"misbehave": MISBEHAVE | {"overflow": "refuse"}}
    host = serve(plugins=plugins, admin=ADMIN, limits={"outbound_queue": "16 KiB"})
    client = host.connect("/misbehave/")
    client.send("flood 100 4096")
    assert client.rest()[1] == (1011, "consumer failed")
    assert blamed(host) == (0, {"error": 1})


def test_a_call_that_alone_sends_more_than_a_queue_takes_fails_while_the_queue_is_full(serve):
    plugins = {"misbehave": MISBEHAVE | {"overflow": "refuse"}}
    host = serve(plugins=plugins, admin=ADMIN, limits={"outbound_queue": 62_000})
    client = host.raw("/misbehave/")
    # The frames arrive together, so the first reply is still queued during the second call. 15 frames of the second
    # call fit.
    client.send(frame(TEXT, b"flood 1 10") + frame(TEXT, b"flood 100 4096"))
    assert client.frames()[-1] == (CLOSE, (1011).to_bytes(2) + b"consumer failed")
    assert blamed(host) == (0, {"error": 1})


@pytest.mark.parametrize("isolation", ["connection", "shared"])
def test_an_error_for_a_client_that_has_left_is_no_fault_of_the_plugin(serve, component, tmp_path, isolation):
    file = tmp_path / "misbehave.wasm"
    manifest = {"name": "misbehave", "isolation": isolation, "execution": "thread"}
    file.write_bytes(with_manifest(component("misbehave").read_bytes(), toml(manifest)))
    plugins = {"misbehave": {"component": str(file)}}
    host = serve(plugins=plugins, admin=ADMIN, limits={"call_time": "1m"}, log="debug")

    def one_leaves():
        """The client leaves while its consumer computes a reply."""
        raw = host.raw("/misbehave/")
        raw.send(frame(TEXT, b"work 100000000") + close_frame(1000))
        raw.frames()
        return blamed(host)[0] > 0

    eventually(one_leaves, "an answer to a client that has left")
    assert host.connect("/misbehave/").ask("ok") == "ok"
    assert blamed(host)[1] == {}


def test_connect_may_give_up_on_any_error_and_says_who_is_to_blame(serve):
    host = serve("doorman", admin=ADMIN)

    def answer(query):
        raw = host.tcp()
        raw.request(f"/doorman/?{query}")
        return raw.response()

    blames = answer("blame=which-room")
    assert (blames.status, blames.body) == (400, b"which-room\n")
    assert blamed(host) == (0, {})
    fails = answer("fail=secret")
    assert (fails.status, fails.body) == (500, b"the consumer failed\n")
    host.logged("WARN.*the consumer failed: returned an error: secret")
    assert blamed(host) == (0, {"error": 1})


# Unknown messages, and consumers that end without `disconnect`.


def test_a_message_of_an_unknown_type_is_counted_and_told_once(judged):
    host = judged()
    client = host.connect("/misbehave/")
    for count in range(1, 4):
        assert client.ask("unknown-type") == "sent"
        assert client.ask("ok") == "ok"
        eventually(lambda: figure(host, "guest_unknown_messages_total") == count, "one more")
    told = [line for line in host.log().splitlines() if 'message_type="nobody.knows"' in line]
    assert ["WARN" in line for line in told] == [True, False, False]


@pytest.mark.parametrize(("isolation", "gone"), [("connection", 1), ("shared", 4)])
@pytest.mark.parametrize("way", ["trap", "loop"])
def test_the_log_says_how_many_connections_end_without_disconnect(serve, isolation, gone, way):
    host = serve(plugins={"misbehave": {"isolation": isolation}})
    clients = [host.connect("/misbehave/") for _ in range(4)]
    clients[0].send(way)
    assert clients[0].ended()[0] == 1011
    host.logged(f"WARN.*its consumers end without `disconnect` .*consumers={gone}")


def test_frames_behind_a_failure_are_lost(host):
    raw = host.raw("/misbehave/")
    raw.send(b"".join(frame(TEXT, text) for text in (b"ok", b"trap", b"ok")))
    assert raw.recv_frame() == (TEXT, b"ok")
    assert raw.recv_frame() == (CLOSE, (1011).to_bytes(2) + b"consumer failed")


def test_a_call_that_traps_takes_no_effect(host):
    client = host.connect("/misbehave/")
    client.send("regret what was sent")
    assert client.ended()[0] == 1011


def test_a_guest_may_have_the_memory_it_was_given_and_no_more(serve):
    plugins = {
        "small": {"guest": "misbehave", "isolation": "connection", "limits": {"memory": "8 MiB"}},
        "large": {"guest": "misbehave", "isolation": "connection", "limits": {"memory": "32 MiB"}},
    }
    host = serve(plugins=plugins)
    got = [host.connect(f"/{name}/").ask("allocate") for name in plugins]
    small, large = (int(answer.removesuffix(" MiB")) for answer in got)
    assert 4 <= small < 8 < 24 <= large < 32


def test_memory_comes_back_from_guests_that_are_gone(serve):
    host = serve(plugins={"misbehave": MISBEHAVE}, limits={"memory": "32 MiB"})
    for _ in range(20):
        client = host.connect("/misbehave/")
        client.ask("allocate")
        client.close()
    assert host.peak_rss() < 20 * 32 * 1024 * 1024 / 2


def test_a_plugin_may_have_less_time_than_the_others(serve):
    plugins = {"hasty": {"guest": "misbehave", "isolation": "connection", "limits": {"call_time": "20ms"}}}
    host = serve(plugins=plugins, limits={"call_time": "5m"})
    client = host.connect("/hasty/")
    client.send("loop")
    assert client.ended()[0] == 1011
    host.logged("ran longer than its call_time of 20 ms")


def test_a_call_within_its_budget_is_not_stopped(serve):
    host = serve(plugins={"misbehave": MISBEHAVE}, limits={"call_time": "1m"})
    client = host.connect("/misbehave/")
    assert [client.ask("work 20000000") for _ in range(3)] == ["worked"] * 3


def test_one_call_may_ask_for_a_bounded_amount(host):
    client = host.connect("/misbehave/")
    client.send("flood 200000 0")
    assert client.rest()[1][0] in (1011, 1013)
    assert host.connect("/misbehave/").ask("ok") == "ok"


def test_a_shared_instance_that_traps_ends_all_its_connections_and_no_others(serve):
    host = serve("echo", plugins={"misbehave": {"instances": 2}})
    # The host assigns connections to the two instances alternately.
    clients = [host.connect("/misbehave/") for _ in range(6)]
    clients[0].send("trap")
    assert [client.ended()[0] for client in clients[::2]] == [1011] * 3
    assert [client.ask("ok") for client in clients[1::2]] == ["ok"] * 3
    assert host.connect("/echo/").ask("served") == "served"


def test_the_next_connection_after_a_trap_gets_a_fresh_shared_instance(serve):
    host = serve("misbehave")
    for _ in range(3):
        client = host.connect("/misbehave/")
        assert client.ask("ok") == "ok"
        client.send("trap")
        assert client.ended()[0] == 1011


def test_an_error_in_a_shared_instance_ends_one_connection_only(serve):
    host = serve("misbehave")
    client, neighbour = host.connect("/misbehave/"), host.connect("/misbehave/")
    client.send("error of its own")
    assert client.ended()[0] == 1011
    assert neighbour.ask("ok") == "ok"


def test_a_handshake_that_waits_while_a_shared_instance_fails_gets_a_fresh_one(serve):
    host = serve("misbehave", limits={"call_time": "2s"}, admin=ADMIN)
    admin, looping = Admin(host), host.connect("/misbehave/")
    looping.send("loop")
    # The host passes a frame to the guest as soon as it has read it.
    read = re.compile(rb"^narrowboat_frames_received_total\{.* 1$", re.MULTILINE)
    eventually(lambda: read.search(admin.ask("/metrics").body), "the frame")
    waiting = host.connect("/misbehave/")
    assert waiting.ask("ok") == "ok"
    assert looping.ended()[0] == 1011


def test_a_trap_in_connect_ends_a_shared_instance_too(serve):
    host = serve("doorman")
    neighbour = host.connect("/doorman/")
    with pytest.raises(InvalidStatus):
        host.connect("/doorman/?trap")
    assert neighbour.ended()[0] == 1011
    assert host.connect("/doorman/").ask("echo") == "echo"


@pytest.mark.parametrize("isolation", ["connection", "shared"])
@pytest.mark.parametrize("attempt", range(3))
def test_the_first_call_that_overruns_holds_up_no_socket(serve, isolation, attempt):
    plugins = {"misbehave": {"isolation": isolation}}
    host = serve("echo", plugins=plugins, limits={"call_time": "5m"})
    client, looping = host.connect("/echo/"), host.raw("/misbehave/")
    assert client.ask("warm") == "warm"
    looping.send_frame(TEXT, b"loop")
    for _ in range(20):
        assert client.ask("served") == "served"
        assert host.connect("/echo/").ask("new") == "new"


class Looper(threading.Thread):
    """A client that makes its consumer loop repeatedly."""

    def __init__(self, host, path, until):
        super().__init__(daemon=True)
        self.host, self.path, self.until, self.ends = host, path, until, []

    def run(self):
        while not self.until.is_set():
            client = self.host.raw(self.path)
            client.send_frame(TEXT, b"loop")
            self.ends.append(client.ended()[0])


def test_two_looping_plugins_leave_a_third_plugins_clients_served(serve, figure):
    looping = {"guest": "misbehave", "isolation": "connection", "limits": {"call_time": "20ms"}}
    host = serve("echo", plugins={"one": looping, "two": looping})
    client, over = host.connect("/echo/"), threading.Event()
    loopers = [Looper(host, path, over) for path in ("/one/", "/two/") for _ in range(8)]
    for looper in loopers:
        looper.start()
    slowest = 0
    for number in range(50):
        began = time.monotonic()
        assert client.ask(str(number)) == str(number)
        assert host.connect("/echo/").ask("new") == "new"
        slowest = max(slowest, time.monotonic() - began)
    over.set()
    for looper in loopers:
        looper.join(DEADLINE)
    assert {end for looper in loopers for end in looper.ends} == {1011}
    what = "slowest echo, with a handshake, beside 16 clients of two looping plugins"
    figure(what, f"{slowest * 1000:.0f} ms")


# The log.


def test_a_panic_is_in_the_log_with_its_plugin_file_and_line(host):
    client = host.connect("/misbehave/")
    client.send("trap")
    client.ended()
    line = host.logged(r".*asked to trap \(.*misbehaviors\.rs:\d+:\d+\).*")[0]
    assert "ERROR" in line and "misbehave" in line


def test_a_guests_fault_is_in_the_log_once_as_a_warning(serve):
    host = serve(plugins={"misbehave": MISBEHAVE})
    client = host.connect("/misbehave/")
    client.send("error only one")
    client.ended()
    assert "WARN" in host.logged(".*returned an error: only one.*")[0]
    assert host.log().count("only one") == 1


LINE = re.compile(r"(\x1b\[\d*m)*\d{4}-\d\d-\d\dT[\d:.]+Z")


@pytest.mark.parametrize("way", ["log", "error"])
def test_a_guest_cannot_forge_a_line_of_the_log_or_steer_a_terminal(serve, way):
    host = serve(plugins={"misbehave": MISBEHAVE})
    client = host.connect("/misbehave/")
    client.send(f"{way} first\n2026-01-01T00:00:00Z ERROR forged\r\x1b[2Jcleared")
    client.recv() if way == "log" else client.ended()
    text = host.logged(r".*first.*(\n  \| .*)*")[0]
    assert "forged" in text and "cleared" in text
    assert not re.search(r"(?m)^\s*2026-01-01", host.log())
    assert "\x1b[2J" not in host.log() and "\r" not in host.log()


@pytest.mark.parametrize("way", ["trap", "recurse", "unreachable"])
def test_every_line_of_the_log_begins_with_its_time(serve, way):
    host = serve(plugins={"misbehave": MISBEHAVE})
    client = host.connect("/misbehave/")
    client.send(way)
    client.ended()
    host.logged("the consumer failed: trap")
    assert [line for line in host.log().splitlines() if not LINE.match(line)] == []


def test_the_log_has_a_part_of_the_close_reason_of_a_guest(serve):
    host = serve("closer")
    host.connect("/closer/").send("close 9999 " + "x" * 500_000)
    line = host.logged("close.9999, .*")[0]
    assert "the reason at most 123 bytes" in line and len(line) < 500


def test_a_guest_that_floods_the_log_is_served_as_others(serve):
    host = serve("echo", plugins={"misbehave": MISBEHAVE}, limits={"call_time": "1m"})
    client = host.connect("/misbehave/")
    client.send("log-flood 5000")
    assert host.connect("/echo/").ask("served") == "served"
    assert client.recv() == "logged"
