"""A mixed load: traffic, swaps, misbehaving guests and clients, and a Redis that restarts. The test accounts for
every message, and the host must not grow. `make soak MINUTES=60` runs it for an hour."""

import itertools
import os
import socket
import statistics
import threading
import time
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from admin import ADMIN, Admin
from redis_server import Redis
from support import TEXT, eventually, with_manifest

pytestmark = pytest.mark.alone

SECONDS = float(os.environ.get("SOAK_MINUTES", "0.5")) * 60

# Messages in flight in a room: fewer than the capacity of a channel.
WINDOW = 20

ISOLATION = {"echo": "connection", "room": "connection", "broadcast": "shared", "far": "connection"}
CAPABILITIES = 'capabilities = { groups = ["*"], log = true }'
GUESTS = {"echo": "echo", "room": "group", "broadcast": "broadcast", "far": "group"}


class Soak:
    """Runs all actors until the time is over, and records errors."""

    def __init__(self, host, seconds):
        self.host, self.end = host, time.monotonic() + seconds
        self.counts, self.wrong, self._lock = {}, [], threading.Lock()

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
            actor(self)
        except BaseException as problem:
            self.wrong.append(f"{actor.__name__}: {problem!r}")
            raise

    # Clients. Every message is numbered.

    def echo(self):
        client = self.host.connect("/echo/")
        for number in itertools.count():
            if not self.goes_on:
                break
            assert client.ask(f"{number}") == f"{number}"
            self.count("echoed")
        client.close()

    def rooms(self, path, what):
        """One client sends and four receive: every message in order, once."""
        members = [self.host.connect(path) for _ in range(4)]
        first = 0
        while self.goes_on:
            for number in range(first, first + WINDOW):
                members[0].send(f"{number}")
            for member in members:
                heard = member.take(WINDOW)
                assert heard == [str(number) for number in range(first, first + WINDOW)]
            first += WINDOW
            self.count(what, WINDOW * len(members))
        [member.close() for member in members]

    def room(self):
        self.rooms("/room/red/", "delivered in a room")

    def broadcast(self):
        self.rooms("/broadcast/", "broadcast")

    def far_room(self):
        """The same over a Redis that restarts. Messages arrive in order, and the host counts lost ones."""
        speaker, hearer = (self.host.connect("/far/red/") for _ in range(2))
        heard, done = [], threading.Event()

        def hear():
            while not done.is_set():
                with suppress(TimeoutError):
                    heard.append(int(hearer.recv(0.2)))

        hearing = threading.Thread(target=hear)
        hearing.start()
        sent = 0
        while self.goes_on:
            speaker.send(f"{sent}")
            sent += 1
            # The sender receives its own messages too, but does not depend on them.
            with suppress(TimeoutError):
                speaker.recv(0.02)
        eventually(lambda: heard and heard[-1] >= sent - 50, "the last of what was sent", 15)
        done.set()
        hearing.join()
        assert heard == sorted(set(heard)), "out of order, or twice"
        self.count("sent through Redis", sent)
        self.count("heard through Redis", len(heard))
        self.count("lost through Redis", sent - len(heard))
        [client.close_socket() for client in (speaker, hearer)]

    # Misbehaving guests and clients.

    def failing_guests(self):
        for way in itertools.cycle(["trap", "loop", "error"]):
            if not self.goes_on:
                return
            client = self.host.connect("/misbehave/")
            client.send(way)
            _, (code, _) = client.rest()
            assert code == 1011, (way, code)
            self.count("guests failed")
            time.sleep(0.2)

    def slow_reader(self):
        """A member of a flooded room that does not read. The host closes it."""
        while self.goes_on:
            raw = self.host.raw("/room/flood/", receive_buffer=4096)
            speaker = self.host.connect("/room/flood/")
            with suppress(ConnectionClosed, TimeoutError, OSError):
                for _ in range(200):
                    speaker.send("x" * 16384)
                    speaker.recv(1)
            self.count("readers left behind")
            raw.close_socket()
            speaker.close_socket()

    def churn(self):
        for kind in itertools.cycle(["close", "reset", "half", "garbage"]):
            if not self.goes_on:
                return
            if kind == "close":
                client = self.host.connect("/echo/")
                assert client.ask("hello") == "hello"
                client.close()
            else:
                raw = self.host.tcp() if kind == "half" else self.host.raw("/echo/")
                if kind == "garbage":
                    raw.send(b"\xff" * 100)
                elif kind == "half":
                    raw.send(b"GET /echo/ HT")
                else:
                    raw.send_frame(TEXT, b"hello")
                raw.reset()
            self.count("came and went")
            time.sleep(0.01)


def swapping(files, versions):
    def swap(soak):
        for name in itertools.cycle(files):
            if not soak.goes_on:
                return
            beside = files[name].with_suffix(".new")
            beside.write_bytes(next(versions[name]))
            beside.rename(files[name])
            soak.count("swaps offered")
            time.sleep(0.5)

    return swap


def restarting(redis):
    def restart(soak):
        while soak.goes_on:
            time.sleep(min(5, max(soak.end - time.monotonic() - 10, 0.2)))
            # The last ten seconds are for messages in flight.
            if soak.end - time.monotonic() < 10:
                return
            redis.kill()
            time.sleep(1)
            redis.start()
            soak.count("Redis restarted")

    return restart


def measuring(samples):
    def measure(soak):
        while soak.goes_on:
            files = len(os.listdir(f"/proc/{soak.host.pid}/fd"))
            samples.append((time.monotonic(), soak.host.rss(), files))
            time.sleep(0.5)

    return measure


def slope(samples, which):
    """The growth per hour, by linear regression over the second half of the samples."""
    half = samples[len(samples) // 2 :]
    return statistics.linear_regression([each[0] for each in half], [each[which] for each in half]).slope * 3600


def test_everything_at_once(serving, component, tmp_path, figure):
    files, versions = {}, {}
    for name, guest in GUESTS.items():
        built = component(guest).read_bytes()
        versions[name] = itertools.cycle(
            with_manifest(built, f'name = "{name}"\nisolation = "{ISOLATION[name]}"\ndescription = "{word}"\n{CAPABILITIES}')
            for word in ("one", "other")
        )
        files[name] = tmp_path / f"{name}.wasm"
        files[name].write_bytes(next(versions[name]))
    plugins = {name: {"component": str(files[name]), "guest": GUESTS[name]} for name in GUESTS}
    plugins["far"]["layer"] = "far"
    routes = [
        {"path": "/echo/", "plugin": "echo"},
        {"path": "/room/{room}/", "plugin": "room"},
        {"path": "/broadcast/", "plugin": "broadcast"},
        {"path": "/far/{room}/", "plugin": "far"},
        {"path": "/misbehave/", "plugin": "misbehave"},
    ]
    with Redis() as redis:
        layers = {"far": {"backend": "redis", "hosts": [redis.address]}}
        settings = {"plugins": plugins, "routes": routes, "layers": layers, "admin": ADMIN}
        with serving("misbehave", limits={"outbound_queue": "256 KiB"}, **settings) as host:
            soak, samples = Soak(host, SECONDS), []
            began = time.monotonic()
            soak.run(
                *[Soak.echo] * 4,
                Soak.room,
                Soak.broadcast,
                Soak.far_room,
                Soak.failing_guests,
                Soak.slow_reader,
                Soak.churn,
                swapping(files, versions),
                restarting(redis),
                measuring(samples),
            )
            figure(f"soak of {time.monotonic() - began:.0f} s", ", ".join(f"{count} {what}" for what, count in sorted(soak.counts.items())))
            figure("soak, growth an hour in its second half", f"{slope(samples, 1) / 2**20:.0f} MiB, {slope(samples, 2):.0f} files")
            eventually(lambda: Admin(host).get("/v1/status")["connections"] == 0, "the end of all connections", 30)
            files_left = lambda: len(os.listdir(f"/proc/{host.pid}/fd"))
            eventually(lambda: files_left() <= samples[0][2] + 8, "the files' end")
            lost = next(layer for layer in Admin(host).get("/v1/status")["layers"] if layer["name"] == "far")
            # Missing messages are those that the host counts as lost, or that were in the server when it was killed.
            assert soak.counts["lost through Redis"] <= lost["lost"] + lost["dropped"] + 200 * soak.counts.get("Redis restarted", 0)
            middle = samples[len(samples) // 2][1]
            assert samples[-1][1] < middle * 1.25 + (16 << 20), "it grows"
            assert host.stop() == 0
