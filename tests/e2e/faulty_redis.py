"""A proxy for Redis that replies to chosen commands with chosen errors, which are hard to provoke in a real server.

    with RedisProxy(redis.port) as proxy:
        proxy.answer("CLUSTERDOWN Hash slot not served", to=WRITES)
        proxy.answer(None)      # the server replies to every command again
"""

import asyncio
from collections import Counter, deque

from faulty import LOOK, Pair, Proxy, Pump

# The commands with which a host writes.
WRITES = frozenset("EVAL EVALSHA ZADD ZREM EXPIRE SET BZPOPMIN ZPOPMIN ZREMRANGEBYSCORE DEL UNLINK".split())

# Commands after which the server no longer sends one reply for each command.
SUBSCRIBING = frozenset(["SUBSCRIBE", "PSUBSCRIBE"])


class RedisProxy(Proxy):
    """A proxy for RESP2. A refused command does not reach the server."""

    def __init__(self, target, port=0):
        super().__init__(target, port)
        # The number of each command that clients sent.
        self.commands = Counter()
        # Whether replies on subscribed connections stall. Other connections work.
        self.subscriptions_stalled = False
        self._error, self._to, self._left = None, None, None

    def answer(self, error, to=None, times=None):
        """Replies with an error to the commands in `to`, or to all, `times` times or until the next call. `None`
        ends this."""
        self._to, self._left = to and frozenset(to), times
        self._error = error and f"-{error}\r\n".encode()

    def refusal(self, command):
        """The error for a command, or `None` if the server replies."""
        self.commands[command] += 1
        if self._error is None or self._to is not None and command not in self._to:
            return None
        if self._left is not None:
            if not self._left:
                return None
            self._left -= 1
        return self._error

    def pair(self, client):
        return RedisPair(self, client)


class RedisPair(Pair):
    """A connection with the commands that await a reply, from the server or from the proxy."""

    def __init__(self, proxy, client):
        super().__init__(proxy, client)
        self.waiting, self.is_subscribed = deque(), False

    def pump(self, direction, source, target):
        kind = Commands if direction is self.proxy.up else Answers
        return kind(self, direction, source, target)


class Commands(Pump):
    """Forwards commands to the server."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._buffer = b""

    async def forward(self, data):
        self._buffer += data
        passing = b""
        while (end := ended(self._buffer)) is not None:
            command, self._buffer = self._buffer[:end], self._buffer[end:]
            name = command.split(b"\r\n", 3)[2].decode().upper()
            refusal = self.pair.proxy.refusal(name)
            if self.pair.is_subscribed:
                if refusal:
                    await self.pair.answers.made(refusal)
                    continue
            else:
                self.pair.waiting.append(refusal)
            if refusal is None:
                passing += command
                self.pair.is_subscribed |= name in SUBSCRIBING
        if passing:
            await super().forward(passing)
        await self.pair.answers.made(b"")


class Answers(Pump):
    """Forwards replies of the server and of the proxy, in the order of the commands."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.pair.answers = self
        self._buffer, self._ready = b"", b""
        self._writing = False

    async def forward(self, data):
        self._buffer += data
        while (end := ended(self._buffer)) is not None:
            answer, self._buffer = self._buffer[:end], self._buffer[end:]
            self._refuse_next()
            if self.pair.waiting:
                self.pair.waiting.popleft()
            self._ready += answer
        await self.made(b"")

    def _refuse_next(self):
        while self.pair.waiting and self.pair.waiting[0] is not None:
            self._ready += self.pair.waiting.popleft()

    async def made(self, answer):
        """Writes a reply of the proxy, and all replies that are due after it. Only one task writes at a time, so
        replies do not interleave."""
        self._ready += answer
        self._refuse_next()
        if self._writing:
            return
        self._writing = True
        try:
            while self._ready:
                ready, self._ready = self._ready, b""
                await super().forward(ready)
        finally:
            self._writing = False

    async def send(self, data):
        while self.pair.is_subscribed and self.pair.proxy.subscriptions_stalled:
            await asyncio.sleep(LOOK)
        await super().send(data)


def ended(data, at=0):
    """The end of the first RESP2 value in the data, or `None` if the value is incomplete."""
    line = data.find(b"\r\n", at)
    if line < 0:
        return None
    kind, rest, line = data[at : at + 1], data[at + 1 : line], line + 2
    if kind in b"+-:":
        return line
    count = int(rest)
    if kind == b"$":
        end = line + count + 2 if count >= 0 else line
        return end if len(data) >= end else None
    assert kind == b"*", data[at : at + 60]
    for _ in range(count):
        line = ended(data, line)
        if line is None:
            return None
    return line
