"""Hosts that share a Redis, and serve the guest `rooms`. The fixtures are imported by the tests."""

from contextlib import ExitStack

import pytest

from admin import ADMIN
from redis_server import Redis
from support import UPGRADE, eventually, with_manifest, toml

LEASE = 2
MANIFEST = {"name": "rooms", "isolation": "room", "room": "{room}", "room_idle": "300ms", "room_save": "event"}
ROUTES = [{"path": "/rooms/{room}/", "plugin": "rooms"}]


@pytest.fixture
def redis():
    with Redis("appendonly yes", "appendfsync always") as server:
        yield server


@pytest.fixture
def start(serving, component, tmp_path):
    """Starts hosts that share a store. The argument is the Redis host as the configuration has it."""
    file = tmp_path / "rooms.wasm"
    with ExitStack() as stack:

        def run(address, count=1, **manifest):
            file.write_bytes(with_manifest(component("rooms").read_bytes(), toml(MANIFEST | manifest)))
            keyvalue = {"backend": "redis", "hosts": [address], "room_lease": f"{LEASE}s"}
            settings = {"plugins": {"rooms": {"component": str(file)}}, "routes": ROUTES, "admin": ADMIN}
            start_one = lambda: serving(**settings, top={"keyvalue": keyvalue}, log="debug")
            hosts = [stack.enter_context(start_one()) for _ in range(count)]
            return hosts[0] if count == 1 else hosts

        yield run


def visit(host, room="red"):
    return host.connect(f"/rooms/{room}/")


def response(host, room="red"):
    raw = host.tcp()
    raw.request(f"/rooms/{room}/", headers=UPGRADE)
    answer = raw.response()
    raw.close_socket()
    return answer


def taken_over(host, room="red"):
    """Waits until another host has the room, and returns a visitor there."""
    eventually(lambda: response(host, room).status == 101, "the room on the other host")
    return visit(host, room)
