"""Metrics of ended connections and of failed handshakes."""

import re

import pytest

from admin import ADMIN, Admin
from support import TEXT, UPGRADE, closure, eventually, frame


@pytest.fixture(scope="module")
def host(serving):
    limits = {"max_message": "64 KiB", "handshake_timeout": "1s", "idle_timeout": "2s", "ping_interval": "1s"}
    plugins = {"echo": {}, "misbehave": {}, "closer": {}}
    with serving(plugins=plugins, limits=limits, admin=ADMIN) as host:
        yield host


def figure(host, name, **labels):
    """The value of a metric, or 0 if it does not exist."""
    text = Admin(host).ask("/metrics").body.decode()
    wanted = ",".join(f'{label}="{value}"' for label, value in labels.items())
    found = re.search(rf"^narrowboat_{name}{{{re.escape(wanted)}}} (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 0


def closed(host, plugin, by, code):
    return figure(host, "connections_closed_total", tenant="default", plugin=plugin, by=by, code=code)


def counts(host, count, end):
    """Ends a connection or handshake, and waits until the counter increases by one."""
    before = count()
    end()
    eventually(lambda: count() == before + 1, "one more")


def says_too_much(host):
    host.connect("/echo/").send("x" * 70_000)


def speaks_no_websocket(host):
    host.raw("/echo/").send(b"\xf0\x80\0\0\0\0")


def is_silent(host):
    # This client does not reply to pings.
    host.raw("/echo/")


def has_its_guest_trap(host):
    host.connect("/misbehave/").send("trap")


@pytest.mark.parametrize(
    ("end", "plugin", "code"),
    [
        (says_too_much, "echo", "1009"),
        (speaks_no_websocket, "echo", "1002"),
        (is_silent, "echo", "1008"),
        (has_its_guest_trap, "misbehave", "1011"),
    ],
)
def test_connections_that_the_host_closes_are_counted_by_close_code(host, end, plugin, code):
    counts(host, lambda: closed(host, plugin, "host", code), lambda: end(host))


@pytest.mark.parametrize(("code", "name"), [(1000, "1000"), (4321, "3000-4999")])
def test_connections_that_clients_close_are_counted_by_close_code(host, code, name):
    client = host.connect("/echo/")
    counts(host, lambda: closed(host, "echo", "client", name), lambda: client.close(code))


def test_a_malformed_frame_after_the_consumers_close_does_not_change_how_its_end_is_counted(host):
    def end():
        raw = host.raw("/closer/")
        raw.send_frame(TEXT, b"close 4000 mine")
        assert closure(raw.recv_frame()[1]) == (4000, "mine")
        raw.send(frame(3))
        assert raw.recv_frame() is None

    before = closed(host, "closer", "host", "1002")
    counts(host, lambda: closed(host, "closer", "host", "3000-4999"), end)
    assert closed(host, "closer", "host", "1002") == before


def test_a_connection_that_is_lost_is_counted_as_1006(host):
    raw = host.raw("/echo/")
    counts(host, lambda: closed(host, "echo", "client", "1006"), raw.reset)


def asks(path="/echo/", **headers):
    def end(host):
        host.tcp().request(path, headers=UPGRADE | headers)

    return end


def asks_without_end(host):
    host.tcp().send(b"GET / HTTP/1.1\r\n")


def speaks_no_http(host):
    host.tcp().send(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")


@pytest.mark.parametrize(
    ("end", "answer"),
    [
        (asks("/nowhere/"), "404"),
        (asks(**{"Sec-WebSocket-Version": "12"}), "426"),
        (asks(**{"Sec-WebSocket-Key": "short"}), "400"),
        (asks_without_end, "timeout"),
        (speaks_no_http, "http"),
    ],
)
def test_a_handshake_that_opens_nothing_is_counted_by_its_answer(host, end, answer):
    counts(host, lambda: figure(host, "handshakes_failed_total", reason=answer), lambda: end(host))
