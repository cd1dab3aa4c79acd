"""Guests that go wrong: what ends with them, and what goes on."""

import re
import threading
import time

import pytest
from websockets.exceptions import InvalidStatus

from support import CLOSE, DEADLINE, TEXT, frame

MISBEHAVE = {"isolation": "connection"}

# What a client says, and what the log says of it.
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
    # Connections go to the two instances by turns.
    clients = [host.connect("/misbehave/") for _ in range(6)]
    clients[0].send("trap")
    assert [client.ended()[0] for client in clients[::2]] == [1011] * 3
    assert [client.ask("ok") for client in clients[1::2]] == ["ok"] * 3
    assert host.connect("/echo/").ask("served") == "served"


def test_after_a_trap_the_next_connection_gets_a_fresh_shared_instance(serve):
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
    host = serve("misbehave", limits={"call_time": "500ms"})
    looping = host.connect("/misbehave/")
    looping.send("loop")
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
    """A client that has its consumer loop, again and again."""

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
    line = host.logged(r".*asked to trap \(.*ways\.rs:\d+:\d+\).*")[0]
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
    line = host.logged(".*first.*")[0]
    assert "forged" in line and "cleared" in line
    assert "\x1b[2J" not in host.log() and "\r" not in host.log()


@pytest.mark.parametrize("way", ["trap", "recurse", "unreachable"])
def test_every_line_of_the_log_begins_with_its_time(serve, way):
    host = serve(plugins={"misbehave": MISBEHAVE})
    client = host.connect("/misbehave/")
    client.send(way)
    client.ended()
    host.logged("the consumer failed: trap")
    assert [line for line in host.log().splitlines() if not LINE.match(line)] == []


def test_what_a_guest_closes_with_is_told_in_part(serve):
    host = serve("closer")
    host.connect("/closer/").send("close 9999 " + "x" * 500_000)
    line = host.logged("close.9999, .*")[0]
    assert "a reason at most 123 bytes" in line and len(line) < 500


def test_a_guest_that_floods_the_log_is_served_as_others(serve):
    host = serve("echo", plugins={"misbehave": MISBEHAVE}, limits={"call_time": "1m"})
    client = host.connect("/misbehave/")
    client.send("log-flood 5000")
    assert host.connect("/echo/").ask("served") == "served"
    assert client.recv() == "logged"
