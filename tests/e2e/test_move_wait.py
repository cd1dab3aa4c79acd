"""Guests that postpone their move to another version, and `move_wait`. The guest `busy` is busy as its clients say."""

import json
import re
import threading
import time

import pytest

from admin import ADMIN, Admin
from redis_server import Redis
from support import TEXT, eventually, with_manifest

ISOLATIONS = ["connection", "shared"]

# Long enough for a test that must not reach it.
LONG = "5m"


class Served:
    """A host with the guest `busy`, and its versions."""

    def __init__(self, host, built, isolation):
        self.host, self.admin = host, Admin(host)
        self._built, self._isolation = built, isolation

    def connect(self):
        return self.host.connect("/busy/")

    def version(self, name):
        manifest = f"name = 'busy'\ndescription = '{name}'\nisolation = '{self._isolation}'\n[capabilities]\ngroups = ['busy']\nlog = true\n"
        return with_manifest(self._built, manifest)

    def deploy(self, name):
        return self.admin.deploy("busy", self.version(name))

    def deploying(self, name):
        """Starts a deploy and waits until new connections get the version."""
        before = len(self.admin.versions("busy"))
        deploy = Deploy(lambda: self.deploy(name))
        eventually(lambda: len(self.admin.versions("busy")) > before, "the deploy")
        return deploy


class Deploy(threading.Thread):
    """A deploy that runs."""

    def __init__(self, deploy):
        super().__init__()
        self._deploy, self._answer = deploy, None
        self.start()

    def run(self):
        self._answer = self._deploy()

    def answer(self):
        self.join(20)
        assert not self.is_alive(), "the deploy did not end"
        return self._answer


@pytest.fixture
def start(serve, component):
    def served(isolation, wait=LONG, layer=None, **table):
        plugins = {"busy": {"isolation": isolation, "move_wait": wait} | table}
        host = serve(plugins=plugins, admin=ADMIN, watch="off", layer=layer)
        return Served(host, component("busy").read_bytes(), isolation)

    return served


def told(client):
    """The state of the client's consumer, and that of its module. It is an event."""
    told = json.loads(client.ask("told"))
    return told["consumer"], told["module"]


def migrated(answer, count):
    assert (answer.status, answer.json()["migrated"]) == (200, count), answer.body


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_guest_that_is_not_busy_moves_at_once(start, isolation):
    served = start(isolation)
    client = served.connect()
    client.send("note hello")
    told(client)
    migrated(served.deploy("two"), 1)
    consumer, module = told(client)
    assert (consumer["note"], consumer["restores"]) == ("hello", ["consumer"])
    assert consumer["modes"] == ["trial", "move"]
    assert module["modes"] == ["trial", "move"]


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("kind", ["busy", "module-busy"])
def test_a_busy_guest_moves_after_the_event_at_which_it_is_no_longer_busy(start, isolation, kind):
    served = start(isolation)
    client = served.connect()
    client.send(f"{kind} 3")
    assert client.ask("before") == "before"
    deploy = served.deploying("two")
    # The old version handles events meanwhile.
    assert told(client)[0]["restores"] == []
    assert client.ask("idle") == "idle"
    migrated(deploy.answer(), 1)
    consumer, module = told(client)
    assert consumer["restores"] == ["consumer"]
    modes = consumer["modes"] if kind == "busy" else module["modes"]
    assert modes == ["trial", "move", "move", "move"]


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_timer_is_an_event_too(start, isolation):
    served = start(isolation)
    client = served.connect()
    client.send("timer 1500")
    client.send("busy 2")
    client.ask("ready")
    migrated(served.deploying("two").answer(), 1)
    assert told(client)[0]["modes"][-2:] == ["move", "move"]


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("kind", ["busy", "module-busy"])
def test_a_guest_that_stays_busy_is_forced_after_move_wait(start, isolation, kind):
    served = start(isolation, wait="300ms")
    client = served.connect()
    client.send(f"{kind} 1000000")
    client.ask("ready")
    started = time.monotonic()
    migrated(served.deploy("two"), 1)
    assert time.monotonic() - started >= 0.3
    consumer, module = told(client)
    modes = consumer["modes"] if kind == "busy" else module["modes"]
    assert (modes[0], modes[-1]) == ("trial", "forced-move")
    assert set(modes[1:-1]) == {"move"}


@pytest.mark.parametrize("isolation, told_of", [("connection", 2), ("shared", 1)])
def test_the_line_of_a_move_counts_the_instances_that_it_waited_for(start, isolation, told_of):
    served = start(isolation, wait="300ms")
    clients = [served.connect() for _ in range(3)]
    for client in clients[:2]:
        client.send("busy 1000000")
        client.ask("ready")
    served.deploy("two")
    served.host.logged(f" moved=3 .* busy_instances={told_of}")


def test_the_line_of_a_move_that_waited_for_no_instance_does_not_speak_of_it(start):
    served = start("shared")
    client = served.connect()
    client.ask("ready")
    served.deploy("two")
    assert "busy_instances" not in served.host.logged(" moved=1 .*")[0]


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_without_a_wait_the_move_is_forced_at_once(start, isolation):
    served = start(isolation, wait="0s")
    client = served.connect()
    client.send("busy 1000000")
    client.ask("ready")
    migrated(served.deploy("two"), 1)
    assert told(client)[0]["modes"][-1] == "forced-move"


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_busy_in_a_forced_move_is_a_fault(start, isolation):
    served = start(isolation, wait="1s", on_failed_move="close")
    client = served.connect()
    client.send("busy 1000000")
    client.ask("ready")
    # After the trial, in which `busy` would refuse the version.
    deploy = served.deploying("two")
    client.send("stubborn")
    assert deploy.answer().status == 200
    assert client.ended()[0] == 1012
    assert "only the mode `move` allows that" in served.host.log()


def test_one_busy_consumer_delays_all_of_its_instance(start):
    served = start("shared")
    busy, *others = [served.connect() for _ in range(40)]
    busy.send("busy 2")
    busy.ask("ready")
    deploy = served.deploying("two")
    for number, other in enumerate(others):
        assert other.ask(f"{number}") == f"{number}"
    assert told(others[0])[0]["restores"] == []
    late = served.connect()
    assert told(late)[0]["restores"] == []
    assert busy.ask("idle") == "idle"
    migrated(deploy.answer(), 41)
    for client in [busy, late, *others]:
        assert told(client)[0]["restores"] == ["consumer"]


def test_busy_consumers_with_instances_of_their_own_do_not_delay_others(start):
    served = start("connection")
    busy = [served.connect() for _ in range(20)]
    for client in busy:
        client.send("busy 1000000")
        client.ask("ready")
    free = [served.connect() for _ in range(5)]
    deploy = served.deploying("two")
    for client in free:
        eventually(lambda: told(client)[0]["restores"] == ["consumer"], "the move")
    assert all(told(client)[0]["restores"] == [] for client in busy)
    for client in busy:
        client.send("busy 0")
    migrated(deploy.answer(), 25)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_busy_client_that_leaves_ends_the_wait(start, isolation):
    served = start(isolation)
    client, other = served.connect(), served.connect()
    client.send("busy 1000000")
    client.ask("ready")
    deploy = served.deploying("two")
    client.close()
    migrated(deploy.answer(), 1)
    assert told(other)[0]["restores"] == ["consumer"]


def test_a_connection_that_opens_while_its_version_is_replaced_is_asked_too(start):
    """Its handshake waits for Redis, so that its session starts after the deploy."""
    with Redis() as redis:
        served = start("connection", layer={"backend": "redis", "hosts": [redis.address]})
        redis.pause()
        client = served.host.tcp()
        client.request("/busy/?busy=2")
        figures = lambda: served.admin.ask("/metrics").body.decode()
        eventually(lambda: re.search(r"^narrowboat_guest_events_total{.*} 1$", figures(), re.M), "the consumer")
        deploy = served.deploying("two")
        redis.go_on()
        assert client.response().status == 101
        client.send_frame(TEXT, b"first")
        assert client.recv_frame() == (TEXT, b"first")
        client.send_frame(TEXT, b"second")
        migrated(deploy.answer(), 1)
        assert client.recv_frame() == (TEXT, b"second")
        client.send_frame(TEXT, b"told")
        told = json.loads(client.recv_frame()[1])["consumer"]
        assert told["restores"] == ["consumer"]
        assert "forced-move" not in told["modes"]


def test_the_stop_of_the_host_does_not_wait_for_a_busy_guest(start):
    served = start("shared")
    client = served.connect()
    client.send("busy 1000000")
    client.ask("ready")
    served.deploying("two")
    assert served.host.stop() == 0


# Modules that save their consumers.


def test_a_module_saves_its_consumers_with_itself(start):
    served = start("shared")
    clients = [served.connect() for _ in range(40)]
    clients[0].send("with-consumers")
    for number, client in enumerate(clients):
        client.send(f"note {number}")
        client.ask("ready")
    for round in (1, 2):
        migrated(served.deploy(f"version {round}"), 40)
        for number, client in enumerate(clients):
            consumer, module = told(client)
            assert (consumer["note"], consumer["restores"]) == (f"{number}", ["module"] * round)
            assert (module["loads"], module["consumers"]) == (round, 40)
    # Snapshots ahead of the first move were taken before the host knew.
    assert "forced-move" not in told(clients[0])[0]["modes"]


def test_a_module_with_its_consumers_is_busy_and_then_forced(start):
    served = start("shared", wait="300ms")
    client = served.connect()
    client.send("with-consumers")
    client.send("module-busy 1000000")
    client.ask("ready")
    migrated(served.deploy("two"), 1)
    consumer, module = told(client)
    assert consumer["restores"] == ["module"]
    assert module["modes"][-1] == "forced-move"


# Rollbacks.


@pytest.mark.parametrize("with_consumers", [False, True], ids=["each", "with-consumers"])
def test_a_rollback_takes_consumers_along_that_connected_later(start, with_consumers):
    """The second instance cannot move, so the first one goes back."""
    served = start("shared", instances=2, wait="200ms")
    first, second = served.connect(), served.connect()
    if with_consumers:
        first.send("with-consumers")
    first.send("note first")
    first.ask("ready")
    second.send("busy 1000000")
    second.ask("ready")
    # The trial asks either instance.
    deploy = served.deploying("two")
    eventually(lambda: told(first)[0]["restores"] != [], "the move of the first instance")
    second.send("unsaved")
    later = served.connect()
    later.send("note later")
    later.ask("ready")
    answer = deploy.answer()
    assert answer.status == 422, answer.body
    consumer, module = told(first)
    assert (consumer["note"], consumer["restores"]) == ("first", ["module" if with_consumers else "consumer"])
    consumer, _ = told(later)
    assert consumer["note"] == "later"
    assert consumer["restores"] in ([], ["consumer"])
    assert second.ask("still here") == "still here"
