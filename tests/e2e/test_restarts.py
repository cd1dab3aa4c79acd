"""Instances that trap: with `on_trap = "restart"` another one goes on with the last checkpoint, and the sockets stay."""

import re

import pytest

from admin import ADMIN, Admin
from support import eventually, with_manifest, toml

ISOLATIONS = ("connection", "shared", "room")
ROUTES = [{"path": "/rooms/{room}/", "plugin": "rooms"}]


@pytest.fixture
def start(serve, component, tmp_path):
    """Serves the guest `rooms` at /rooms/ROOM/, with further keys of the manifest."""

    def run(isolation="shared", on_trap="restart", **manifest):
        keys = {"name": "rooms", "isolation": isolation, "on_trap": on_trap} | manifest
        keys |= {"room": "{room}"} if isolation == "room" else {}
        file = tmp_path / "rooms.wasm"
        file.write_bytes(with_manifest(component("rooms").read_bytes(), toml(keys)))
        top = {"keyvalue": {"path": str(tmp_path / "keyvalue")}}
        host = serve(plugins={"rooms": {"component": str(file)}}, routes=ROUTES, admin=ADMIN, top=top)
        host.visit = lambda: host.connect("/rooms/red/")
        return host

    return run


def figures(host):
    """The restarts and the lost events."""
    text = Admin(host).ask("/metrics").body.decode()
    value = lambda name: int(re.search(rf'^narrowboat_{name}_total{{.*}} (\d+)$', text, re.MULTILINE)[1])
    return value("restarts"), value("restart_lost_events")


def trap(host, client):
    client.send("trap")
    host.logged("goes on after a fault")


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_the_socket_and_the_state_survive_a_trap(start, isolation):
    host = start(isolation, checkpoint_every=1)
    client = host.visit()
    assert [client.ask("add") for _ in range(3)] == ["1", "2", "3"]
    trap(host, client)
    assert client.ask("get") == "3"
    assert client.ask("reason") == "Some(Failure)"
    assert figures(host) == (1, 1)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_events_since_the_checkpoint_are_lost_and_counted(start, isolation):
    host = start(isolation, checkpoint_every=3)
    client = host.visit()
    # The first checkpoint is made after the handshake, and the next one after three events.
    assert [client.ask("add") for _ in range(4)] == ["1", "2", "3", "4"]
    trap(host, client)
    assert client.ask("get") == "3"
    # The event that trapped is one of those that are lost.
    assert figures(host) == (1, 2)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_consumer_survives_a_trap_right_after_its_handshake(start, isolation):
    host = start(isolation)
    client = host.visit()
    assert client.ask("add") == "1"
    trap(host, client)
    assert client.ask("get") == "0"
    assert figures(host) == (1, 2)


@pytest.mark.parametrize("isolation", ("shared", "room"))
def test_a_consumer_that_ended_since_the_checkpoint_gets_its_disconnect(start, isolation):
    host = start(isolation, checkpoint_every=3)
    clients = [host.visit() for _ in range(3)]
    assert clients[0].ask("add") == "1"
    # The second checkpoint has three visitors.
    assert clients[0].ask("visitors") == "3"
    clients[1].close()
    open_now = lambda: re.search(r"^narrowboat_connections{.*} 2(\.0)?$", Admin(host).ask("/metrics").body.decode(), re.MULTILINE)
    eventually(open_now, "the end of a connection")
    trap(host, clients[0])
    assert [clients[2].ask("visitors"), clients[2].ask("everyone")] == ["2", "2"]


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_an_instance_that_takes_too_long_is_restarted(start, isolation):
    host = start(isolation, checkpoint_every=1, limits={"call_time": "100ms"})
    client = host.visit()
    assert client.ask("add") == "1"
    client.send("hang")
    assert client.ask("get") == "1"


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_after_three_restarts_in_a_minute_the_connections_close(start, isolation):
    host = start(isolation, checkpoint_every=1)
    client = host.visit()
    assert client.ask("add") == "1"
    for _ in range(4):
        client.send("trap")
    assert client.ended()[0] == 1011
    assert figures(host)[0] == 3
    assert "traps too often" in host.log()


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_without_the_policy_the_connections_close(start, isolation):
    host = start(isolation, on_trap="close")
    client = host.visit()
    assert client.ask("add") == "1"
    client.send("trap")
    assert client.ended()[0] == 1011


@pytest.mark.parametrize("isolation", ("shared", "room"))
def test_all_consumers_of_an_instance_go_back_together(start, isolation):
    host = start(isolation, checkpoint_every=1)
    clients = [host.visit() for _ in range(3)]
    assert [client.ask("add") for client in clients] == ["1", "2", "3"]
    trap(host, clients[1])
    assert [client.ask("get") for client in clients] == ["3", "3", "3"]
    assert clients[0].ask("everyone") == "3"
    assert clients[2].ask("visitors") == "3"


def test_a_consumer_that_came_after_the_checkpoint_is_created_anew(start):
    host = start(checkpoint_every=1000)
    first, second = host.visit(), host.visit()
    assert [first.ask("add"), second.ask("add")] == ["1", "2"]
    trap(host, first)
    assert [first.ask("get"), second.ask("visitors")] == ["0", "2"]


def test_frames_behind_the_one_that_traps_are_handled(start):
    host = start("connection", checkpoint_every=1)
    client = host.visit()
    for text in ("add", "trap", "add", "get"):
        client.send(text)
    assert client.take(3) == ["1", "2", "2"]


def test_a_trap_in_disconnect_leaves_the_other_consumers(start):
    host = start(checkpoint_every=1)
    first, second = host.visit(), host.visit()
    assert [first.ask("be fatal"), second.ask("add")] == ["0", "1"]
    first.close()
    host.logged("goes on after a fault")
    eventually(lambda: second.ask("everyone") == "1")
    assert second.ask("get") == "1"


def test_a_room_that_saves_each_event_loses_none(start):
    host = start("room", checkpoint_every=1000, room_save="event")
    first, second = host.visit(), host.visit()
    assert [first.ask("add") for _ in range(3)] == ["1", "2", "3"]
    trap(host, first)
    assert [first.ask("get"), second.ask("visitors")] == ["3", "2"]
    assert figures(host) == (1, 1)


def test_a_client_that_connects_by_a_trap_is_rejected_alone(start):
    host = start(checkpoint_every=1)
    first = host.visit()
    assert first.ask("add") == "1"
    raw = host.tcp()
    raw.request("/rooms/red/?trap")
    assert raw.response().status == 500
    assert first.ask("get") == "1"
