"""A TCP proxy that injects network faults: it delays, cuts, half-closes, resets, stalls and limits connections, in
either direction. Tests change the faults while it runs.

    with Proxy(redis.port) as proxy:
        proxy.down.stall()          # forwards nothing more from the server
        proxy.reset()               # resets every connection on both sides
        proxy.up.limit(10, "cut")   # closes each connection after ten further bytes
"""

import asyncio
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass

from support import DEADLINE, eventually

# The maximum number of delayed pieces of one direction.
MOST_WAITING = 64

# The interval at which settings are checked, in seconds.
LOOK = 0.005


@dataclass(frozen=True)
class Limit:
    """After `count` further bytes of a connection, the limit takes effect."""

    count: int
    then: str


class Direction:
    """The settings for one direction. They can change at any time, from any thread."""

    def __init__(self):
        # The delay of each piece, in seconds.
        self.delay = 0.0
        # The maximum size of a read and of a write, in bytes.
        self.piece = 1 << 16
        # The number of bytes that passed on all connections.
        self.passed = 0
        self.limited = None
        self.stalled = False

    def stall(self):
        """Stops forwarding until `go_on`. The sender's buffers fill up."""
        self.stalled = True

    def go_on(self):
        """Ends a stall and a limit."""
        self.stalled, self.limited = False, None

    def limit(self, count, then="cut"):
        """Lets `count` further bytes pass on each current and future connection. Then "cut" closes both sides,
        "reset" resets both, "half-close" ends this direction, and "stall" stops forwarding."""
        assert then in ("cut", "reset", "half-close", "stall")
        self.limited = Limit(count, then)


class Proxy:
    """Forwards connections to a local port and injects faults.

    `up` is the direction from client to server, `down` the other. The proxy forwards a half-close or a reset of one
    side to the other side.
    """

    def __init__(self, target, port=0):
        self.target = target if isinstance(target, tuple) else ("127.0.0.1", target)
        self.up, self.down = Direction(), Direction()
        # The number of connections that clients have opened.
        self.accepted = 0
        # Whether the proxy accepts connections but does not forward them.
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
        """The address, in the form of a layer's `hosts`."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def connections(self):
        """The number of open connections."""
        return len(self._pairs)

    # Faults of connections.

    def accept(self):
        """Accepts connections, on the same port as before. This is the initial state."""

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
        """Refuses new connections, as a closed port does. Open connections stay."""

        async def stop():
            if self._listener is not None:
                self._loop.remove_reader(self._listener)
                self._listener.close()
                self._listener = None

        self._do(stop())

    def be_silent(self):
        """Accepts connections and does not forward them, like a program that hangs."""
        self.silent = True

    def speak(self):
        """Forwards connections again, including those that were accepted meanwhile."""
        self.silent = False

    def cut(self):
        """Closes every connection on both sides."""
        self._end_all(lambda pair: pair.close())

    def reset(self):
        """Resets every connection on both sides."""
        self._end_all(lambda pair: pair.reset())

    def half_close(self, direction):
        """Ends one direction of every connection, `proxy.up` or `proxy.down`. The other direction stays open."""
        self._each(lambda pair: pair.half_close(direction))

    def stall(self):
        """Stops forwarding in both directions until `go_on`."""
        self.up.stall()
        self.down.stall()

    def go_on(self):
        """Ends the stalls and limits of both directions."""
        self.up.go_on()
        self.down.go_on()

    def accepts(self, count):
        """Waits until clients have opened this number of connections."""
        eventually(lambda: self.accepted >= count, f"{count} connections")

    # Implementation.

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE)

    def _each(self, do):
        async def each():
            for pair in list(self._pairs):
                do(pair)

        self._do(each())

    def _end_all(self, do):
        """Ends every connection, and waits for the last one."""
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
        # A task that was cancelled before it started has closed nothing.
        for pair in list(self._pairs):
            pair.shut()

    def _accept_one(self, listener):
        """Accepts a connection. It cannot be cancelled, so no socket leaks."""
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
        """Creates the pair for a new connection."""
        return Pair(self, client)


class Pair:
    """The connection of a client, and the connection to the server."""

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
        """Forwards data until both directions have ended, or until the pair is closed or reset."""
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
        """The pump of one direction."""
        return Pump(self, direction, source, target)

    def close(self):
        if self._work:
            self._work.cancel()

    def reset(self):
        self._is_reset = True
        self.close()

    def half_close(self, direction):
        """Ends the writes in this direction."""
        if direction in self._pumps:
            target = self.server if direction is self.proxy.up else self.client
            with suppress(OSError):
                target.shutdown(socket.SHUT_WR)
            self._pumps[direction].cancel()

    def shut(self):
        """Closes both sides, after their tasks have ended."""
        for side in self.sides:
            if self._is_reset:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            side.close()


class Pump:
    """Forwards one direction of one connection."""

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
        """Reads pieces, each with the time at which it may be forwarded. An empty piece is the end, `None` is a
        reset."""
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
                # The receiver has gone. Tell the sender by a reset.
                return self.pair.reset()

    async def forward(self, data):
        """Writes a piece, or the part of it that a limit allows."""
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
        """Applies a limit. Returns when another limit is set."""
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
