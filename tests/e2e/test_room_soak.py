"""Rooms, alarms and connections that hibernate, under swaps, traps, stops and kills of the host. The test accounts for every
event. `make soak MINUTES=60` runs it for an hour."""

import itertools
import os
import random
import signal
import threading
import time
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from admin import ADMIN
from support import DEADLINE, with_manifest, toml

pytestmark = pytest.mark.alone

SECONDS = float(os.environ.get("SOAK_MINUTES", "0.5")) * 60

# The store writes a state at most this long after the event, in addition to the interval of `room_save`.
WRITE_TIME = 3

ROOM = {"isolation": "room", "room": "{room}", "room_idle": "200ms"}
PLUGINS = {
    "event": ROOM | {"room_save": "event"},
    "event-restart": ROOM | {"room_save": "event", "on_trap": "restart", "checkpoint_every": 5},
    "interval": ROOM | {"room_save": "1s"},
    "idle": ROOM | {"on_trap": "restart", "checkpoint_every": 1},
    "hibernating": {"isolation": "connection", "hibernate": True, "hibernate_after": "200ms"},
}
LOST = (ConnectionClosed, InvalidHandshake, TimeoutError, OSError)


class RoomSoak:
    """Runs all actors until the time is over, and records errors. The host is replaced meanwhile."""

    def __init__(self, start_host, seconds):
        self._start_host, self.host = start_host, start_host()
        self.end = time.monotonic() + seconds
        self.counts, self.wrong, self._lock = {}, [], threading.Lock()
        # The times at which a host was killed: states that are not saved end then.
        self.kills = []

    @property
    def goes_on(self):
        return time.monotonic() < self.end and not self.wrong

    def count(self, what, number=1):
        with self._lock:
            self.counts[what] = self.counts.get(what, 0) + number

    def run(self, *actors):
        threads = [threading.Thread(target=self._act, args=(actor,)) for actor in actors]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert self.wrong == []

    def _act(self, actor):
        try:
            actor()
        except BaseException as problem:
            self.wrong.append(repr(problem))

    def connect(self, path):
        """Connects, as soon as there is a host that accepts."""
        end = time.monotonic() + DEADLINE
        while True:
            try:
                return self.host.connect(path)
            except LOST:
                assert time.monotonic() < end, f"{path} is not accepted"
                time.sleep(0.05)

    def replace_host(self):
        """Kills or stops the host again and again, and starts another one on the same store."""
        for number in itertools.cycle((signal.SIGKILL, signal.SIGTERM)):
            time.sleep(min(4, max(self.end - time.monotonic() - 6, 0)))
            if self.end - time.monotonic() < 6 or self.wrong:
                return
            if number == signal.SIGKILL:
                self.kills.append(time.monotonic())
            self.host.stop(number)
            self.host = self._start_host()
            self.count(f"hosts ended with {number.name}")

    def visit_room(self, plugin, room):
        """A room that counts its events, by the rules of its `room_save`."""
        visitor, counted = None, Counted(PLUGINS[plugin])
        while self.goes_on:
            visitor = visitor or self.connect(f"/{plugin}/{room}/")
            text = random.choice(("add",) * 30 + ("trap", "leave"))
            try:
                if text == "add":
                    counted.send()
                    counted.check(int(visitor.ask("add")), self.kills)
                    self.count(f"{plugin}: events")
                elif text == "trap":
                    visitor.send("trap")
                    counted.lose()
                    self.count("traps")
                    time.sleep(0.1)
                else:
                    visitor.close()
                    visitor = None
                    self.count("visitors left")
                    time.sleep(random.random() / 2)
            except LOST:
                counted.lose()
                visitor = None
        last = self.connect(f"/{plugin}/{room}/")
        counted.check_end(int(last.ask("get")), self.kills)
        last.close()
        self.count(f"{plugin}: unanswered", counted.unanswered)

    def wait_for_alarms(self, room):
        """A room whose alarm is handled once it was set, whatever happens to the host."""
        while self.goes_on:
            with suppress(*LOST):
                visitor = self.connect(f"/event/{room}/")
                visitor.send("alarm in 300")
                while visitor.recv() != "set":
                    pass
                visitor.close_socket()
                self.count("alarms set")
                self._wait_for_alarm(room)

    def _wait_for_alarm(self, room):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            with suppress(*LOST):
                visitor = self.connect(f"/event/{room}/")
                visitor.send("alarm")
                answer = next(text for text in iter(visitor.recv, None) if not text.startswith("alarm "))
                visitor.close_socket()
                if answer == "none":
                    return
            time.sleep(0.1)
        raise AssertionError(f"the alarm of {room} was not handled")

    def hibernate(self):
        """A connection that is idle again and again, and keeps its count as long as its socket."""
        while self.goes_on:
            client = self.connect("/hibernating/red/")
            with suppress(*LOST):
                for number in itertools.count(1):
                    if not self.goes_on:
                        break
                    assert client.ask("add") == str(number)
                    self.count("hibernating: events")
                    time.sleep(random.choice((0, 0.3, 0.5)))
            client.close_socket()

    def swap(self, files, versions):
        for name in itertools.cycle(files):
            if not self.goes_on:
                return
            beside = files[name].with_suffix(".new")
            beside.write_bytes(next(versions[name]))
            beside.rename(files[name])
            self.count("swaps offered")
            time.sleep(0.5)


class Counted:
    """The events of a room: those that its visitor has sent, and the answers, each with its time."""

    def __init__(self, manifest):
        self.save = manifest.get("room_save")
        self.value, self.sent_since, self.unanswered = 0, 0, 0
        # The times of the answers to the events up to `value`, and of the last moment when a state may have been lost.
        self._answers, self._lost_at, self._answered_at = [], None, time.monotonic()

    def send(self):
        self.sent_since += 1

    def lose(self):
        """The connection or the instance has ended."""
        self._lost_at = self._lost_at or time.monotonic()

    def check(self, value, kills):
        self._check(value, self.value + 1, kills)
        self.unanswered += self.sent_since - 1
        self.value, self.sent_since, self._lost_at, self._answered_at = value, 0, None, time.monotonic()
        del self._answers[value - 1 :]
        self._answers += [time.monotonic()] * (value - len(self._answers))

    def check_end(self, value, kills):
        self._check(value, self.value, kills)

    def _check(self, value, least, kills):
        most = least + self.sent_since
        # A host may have been killed while the room had no visitor and was still awake.
        for kill in kills:
            if kill >= self._answered_at:
                self._lost_at = min(self._lost_at or kill, kill)
        if self.save == "event" or self._lost_at is None:
            assert least <= value <= most, (self.save, least, value, most)
        elif self.save == "1s":
            saved = [at for at in self._answers if at < self._lost_at - 1 - WRITE_TIME]
            assert len(saved) <= value <= most, (self.save, len(saved), value, most)
        else:
            assert value <= most


@pytest.fixture
def start_host(serving, component, tmp_path):
    """Starts hosts one after the other, on the same store."""
    files = {name: tmp_path / f"{name}.wasm" for name in PLUGINS}
    built = component("rooms").read_bytes()
    versions = {
        name: itertools.cycle(
            [with_manifest(built, toml({"name": name, "description": word} | manifest)) for word in ("one", "other")]
        )
        for name, manifest in PLUGINS.items()
    }
    for name, file in files.items():
        file.write_bytes(next(versions[name]))
    hosts = []

    def run():
        host = serving(
            # A rollback undoes events that were answered. Other tests account for them.
            plugins={name: {"component": str(file), "rollback": {"window": "0s"}} for name, file in files.items()},
            routes=[{"path": f"/{name}/{{room}}/", "plugin": name} for name in PLUGINS],
            top={"keyvalue": {"path": str(tmp_path / "keyvalue")}},
            admin=ADMIN,
        )
        hosts.append(host)
        return host.__enter__()

    run.files, run.versions = files, versions
    yield run
    for host in hosts:
        host.__exit__(None, None, None)


def test_each_room_has_all_events_that_were_answered(start_host, figure):
    soak = RoomSoak(start_host, SECONDS)
    began = time.monotonic()
    soak.run(
        *[lambda name=name, room=room: soak.visit_room(name, room) for name in PLUGINS if name != "hibernating" for room in ("red", "blue")],
        lambda: soak.wait_for_alarms("alarms"),
        *[soak.hibernate] * 3,
        lambda: soak.swap(start_host.files, start_host.versions),
        soak.replace_host,
    )
    figure(f"soak of rooms, {time.monotonic() - began:.0f} s", ", ".join(f"{count} {what}" for what, count in sorted(soak.counts.items())))
    assert soak.counts["alarms set"] > 0
    assert soak.host.stop() == 0
