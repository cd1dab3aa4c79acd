"""A tenant that misbehaves, in every way, does not affect another tenant."""

import threading
import time
from contextlib import contextmanager, suppress

import pytest

import support

pytestmark = pytest.mark.alone

NEIGHBOURS = ["/bolt/echo/", "/echo/"]

TENANTS = {
    "acme": {
        "path": "/acme",
        "plugins": {"misbehave": {"isolation": "connection"}, "together": {"guest": "misbehave"}, "echo": {}},
    },
    "bolt": {"path": "/bolt", "plugins": ["echo"]},
}

# The command that each misbehaving client repeats.
WAYS = {
    "loops": "loop",
    "computes, a little at a time": "work 20000",
    "floods its clients": "flood 1000 100",
    "floods a group": "group-flood 1000",
    "asks for more than a call may": "endless-effects",
    "talks to itself": "talk-to-itself",
    "floods the log": "log-flood 1000",
    "takes all memory": "allocate",
    "takes more memory than there is": "hoard",
    "traps": "trap",
    "recurses": "recurse",
}


@pytest.fixture(scope="module")
def host(serving):
    with serving("echo", tenants=TENANTS, layer={"capacity": 10_000}) as host:
        yield host


@contextmanager
def misbehaving(host, path, text, clients=4):
    """Context manager for clients that repeat a command to a plugin. Closed clients reconnect."""
    over = threading.Event()

    def go_on():
        while not over.is_set():
            with suppress(Exception):
                client = support.connect(
                    host.url(path), create_connection=support.Client, proxy=None, max_size=None, legacy=True
                )
                with client:
                    while not over.is_set():
                        client.send(text)
                        with suppress(TimeoutError):
                            client.recv(timeout=0.2)

    threads = [threading.Thread(target=go_on) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def slowest(host):
    """The slowest echo of the other tenant, including its handshake, in milliseconds."""
    took = []
    for path in NEIGHBOURS:
        for _ in range(10):
            began = time.monotonic()
            client = host.connect(path)
            took.append(time.monotonic() - began)
            for number in range(20):
                began = time.monotonic()
                assert client.ask(str(number)) == str(number)
                took.append(time.monotonic() - began)
            client.close()
    return max(took) * 1000


@pytest.mark.parametrize("path", ["/acme/misbehave/", "/acme/together/"])
@pytest.mark.parametrize("way", WAYS)
def test_a_tenant_is_served_beside_one_that(host, figure, way, path):
    with misbehaving(host, path, WAYS[way]):
        took = slowest(host)
    figure(f"slowest handshake or echo beside a tenant that {way}, by {path}", f"{took:.0f} ms")


def test_a_tenant_is_served_beside_one_whose_clients_come_and_go(host, figure):
    over = threading.Event()

    def churn():
        while not over.is_set():
            with suppress(Exception):
                support.connect(host.url("/acme/misbehave/"), proxy=None).close()

    threads = [threading.Thread(target=churn) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        took = slowest(host)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    figure("slowest handshake or echo beside a tenant whose clients come and go", f"{took:.0f} ms")


def test_a_tenant_is_served_beside_one_whose_clients_flood_it(host, figure):
    with misbehaving(host, "/acme/echo/", "x" * 100_000, clients=8):
        took = slowest(host)
    figure("slowest handshake or echo beside a tenant whose clients flood it", f"{took:.0f} ms")
