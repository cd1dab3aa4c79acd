"""A TCP proxy that does to connections what networks do: it delays, cuts, half-closes, resets, stalls and limits them, in
either direction, and changes what it does while it runs.

    with Proxy(redis.port) as proxy:
        proxy.down.stall()          # nothing more comes from the server
        proxy.reset()               # every connection ends with a reset on both sides
        proxy.up.limit(10, "cut")   # the next ten bytes of each connection pass, and it ends
"""

import asyncio
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass

from support import DEADLINE, eventually

# Pieces of one direction that wait for their time.
MOST_WAITING = 64

# How often something that was switched is looked at, in seconds.
LOOK = 0.005


@dataclass(frozen=True)
class Limit:
    """So many further bytes of a connection pass; then something happens to it."""

    count: int
    then: str


class Direction:
    """What happens to the bytes that go one way. All of it may be changed while they flow, from any thread."""

    def __init__(self):
        # Seconds that each piece is under way.
        self.delay = 0.0
        # The most bytes that are read, and written, at a time.
        self.piece = 1 << 16
        # Bytes that passed in all connections.
        self.passed = 0
        self.limited = None
        self.stalled = False

    def stall(self):
        """Nothing passes until `go_on`; the sender meets full buffers in the end."""
        self.stalled = True

    def go_on(self):
        """Ends a stall and a limit."""
        self.stalled, self.limited = False, None

    def limit(self, count, then="cut"):
        """Of each connection, now and later, `count` further bytes pass. What happens then: "cut" closes both sides,
        "reset" resets both, "half-close" ends this direction, "stall" lets nothing more of it pass."""
        assert then in ("cut", "reset", "half-close", "stall")
        self.limited = Limit(count, then)


class Proxy:
    """Passes connections to a port of this machine on, and spoils them as it is told to.

    `up` is the direction from client to server, `down` the other. A half-close and a reset of one side are passed on
    to the other as they are.
    """

    def __init__(self, target, port=0):
        self.target = target if isinstance(target, tuple) else ("127.0.0.1", target)
        self.up, self.down = Direction(), Direction()
        # Connections that clients have made.
        self.accepted = 0
        # Whether connections are accepted and nothing is done with them.
        self.silent = False
        self._port = port
        self._pairs, self._tasks = set(), set()
        self._listener = None

    def __enter__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.accept()
        return self

    def __exit__(self, *_):
        self.refuse()
        self.reset()
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()

    @property
    def port(self):
        return self._port

    @property
    def address(self):
        """As a layer's configuration names a server."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def connections(self):
        """Connections that stand."""
        return len(self._pairs)

    # What happens to connections.

    def accept(self):
        """Takes connections, on the port it had before. It does so from the beginning."""

        async def listen():
            if self._listener is None:
                self._listener = socket.socket()
                self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self._listener.bind(("127.0.0.1", self._port))
                self._listener.listen(1024)
                self._listener.setblocking(False)
                self._port = self._listener.getsockname()[1]
                self._loop.add_reader(self._listener, self._accept_one, self._listener)

        self._do(listen())

    def refuse(self):
        """Refuses connections as a port does where nobody listens. Those that stand go on."""

        async def stop():
            if self._listener is not None:
                self._loop.remove_reader(self._listener)
                self._listener.close()
                self._listener = None

        self._do(stop())

    def be_silent(self):
        """Accepts connections and does nothing with them, as a program that hangs."""
        self.silent = True

    def speak(self):
        """Passes connections on again, also those that were accepted in silence."""
        self.silent = False

    def cut(self):
        """Closes every connection on both sides."""
        self._end_all(lambda pair: pair.close())

    def reset(self):
        """Resets every connection on both sides."""
        self._end_all(lambda pair: pair.reset())

    def half_close(self, direction):
        """Ends one direction of every connection, `proxy.up` or `proxy.down`; the other goes on."""
        self._each(lambda pair: pair.half_close(direction))

    def stall(self):
        """Nothing passes either way until `go_on`."""
        self.up.stall()
        self.down.stall()

    def go_on(self):
        """Ends stalls and limits of both directions."""
        self.up.go_on()
        self.down.go_on()

    def accepts(self, count):
        """Waits until clients have made so many connections."""
        eventually(lambda: self.accepted >= count, f"{count} connections")

    # How.

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE)

    def _each(self, do):
        async def each():
            for pair in list(self._pairs):
                do(pair)

        self._do(each())

    def _end_all(self, do):
        """Ends every connection, and waits until the last has ended."""
        ending = set(self._pairs)
        self._each(do)
        eventually(lambda: not ending & self._pairs, "the end of the connections")

    def _spawn(self, work):
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _end(self):
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A task that was cancelled before it began has closed nothing.
        for pair in list(self._pairs):
            pair.shut()

    def _accept_one(self, listener):
        """Takes a connection. Nothing here can be cancelled, so no socket is lost."""
        with suppress(BlockingIOError, ConnectionError):
            client, _ = listener.accept()
            client.setblocking(False)
            self.accepted += 1
            pair = self.pair(client)
            self._pairs.add(pair)
            self._spawn(self._serve(pair))

    async def _serve(self, pair):
        try:
            await pair.run()
        finally:
            self._pairs.discard(pair)
            pair.shut()

    def pair(self, client):
        """The two sides of a new connection."""
        return Pair(self, client)


class Pair:
    """A client's connection and that to the server."""

    def __init__(self, proxy, client):
        self.proxy, self.client, self.server = proxy, client, socket.socket()
        self._is_reset = False
        self._work = None
        self._pumps = {}
        for side in self.sides:
            side.setblocking(False)

    @property
    def sides(self):
        return self.client, self.server

    async def run(self):
        """Passes on what comes, until both directions have ended or the pair is closed or reset."""
        self._work = asyncio.ensure_future(self._pass_on())
        with suppress(asyncio.CancelledError):
            await self._work

    async def _pass_on(self):
        while self.proxy.silent:
            await asyncio.sleep(LOOK)
        try:
            await asyncio.get_running_loop().sock_connect(self.server, self.proxy.target)
        except OSError:
            return self.reset()
        for side in self.sides:
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        up, down = self.proxy.up, self.proxy.down
        self._pumps = {
            up: asyncio.ensure_future(self.pump(up, self.client, self.server).run()),
            down: asyncio.ensure_future(self.pump(down, self.server, self.client).run()),
        }
        try:
            await asyncio.gather(*self._pumps.values(), return_exceptions=True)
        finally:
            for pump in self._pumps.values():
                pump.cancel()

    def pump(self, direction, source, target):
        """What moves the bytes of one direction."""
        return Pump(self, direction, source, target)

    def close(self):
        if self._work:
            self._work.cancel()

    def reset(self):
        self._is_reset = True
        self.close()

    def half_close(self, direction):
        """Nothing more is written in this direction."""
        if direction in self._pumps:
            target = self.server if direction is self.proxy.up else self.client
            with suppress(OSError):
                target.shutdown(socket.SHUT_WR)
            self._pumps[direction].cancel()

    def shut(self):
        """Closes both sides, now that nobody waits for them."""
        for side in self.sides:
            if self._is_reset:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            side.close()


class Pump:
    """Moves one direction's bytes of one connection."""

    def __init__(self, pair, direction, source, target):
        self.pair, self.direction, self.source, self.target = pair, direction, source, target
        self._loop = asyncio.get_running_loop()
        self._waiting = asyncio.Queue(MOST_WAITING)
        self._limit, self._left = None, 0

    async def run(self):
        reading = asyncio.ensure_future(self._read())
        try:
            await self._write()
        finally:
            reading.cancel()

    async def _read(self):
        """Reads pieces, each with the time at which it is to go on. None of a size is the end, `None` a reset."""
        data = True
        while data:
            try:
                data = await self._loop.sock_recv(self.source, self.direction.piece)
            except OSError:
                data = None
            await self._waiting.put((self._loop.time() + self.direction.delay, data))

    async def _write(self):
        while True:
            due, data = await self._waiting.get()
            while self.direction.stalled or due > self._loop.time():
                await asyncio.sleep(max(LOOK, due - self._loop.time()))
            if data is None:
                return self.pair.reset()
            if not data:
                return self.pair.half_close(self.direction)
            try:
                await self.forward(data)
            except OSError:
                # Whoever is sent to has gone, which the other side is to learn.
                return self.pair.reset()

    async def forward(self, data):
        """Writes a piece, or what a limit lets through."""
        while data:
            limit = self.direction.limited
            if limit is not self._limit:
                self._limit, self._left = limit, limit.count if limit else 0
            now = data if limit is None else data[: self._left]
            if now:
                await self.send(now)
                data = data[len(now) :]
                self._left -= len(now)
            if limit is not None and self._left <= 0:
                await self._end(limit)

    async def _end(self, limit):
        """What happens at a limit; returns if another one holds."""
        match limit.then:
            case "cut":
                self.pair.close()
            case "reset":
                self.pair.reset()
            case "half-close":
                self.pair.half_close(self.direction)
        while self.direction.limited is limit:
            await asyncio.sleep(LOOK)

    async def send(self, data):
        await self._loop.sock_sendall(self.target, data)
        self.direction.passed += len(data)
