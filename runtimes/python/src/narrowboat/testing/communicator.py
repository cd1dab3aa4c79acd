"""A client of the plugin."""

import asyncio
import json
from collections import namedtuple
from collections.abc import Mapping

from narrowboat.http import Response
from narrowboat_runtime.channel_layer import make_frame
from narrowboat_runtime.handshake import make_headers
from narrowboat_runtime.testing.host_request import read_bytes, read_headers, request

from .clock import milliseconds_of

#: The end of a connection. The code is 1006 if there was no Close frame.
CloseFrame = namedtuple("CloseFrame", ("code", "reason"))

#: Into how many parts a time-out is divided, between which the client looks for a frame, and the shortest one in
#: milliseconds.
_PARTS, _SHORTEST_PART = 50, 10


class Communicator:
    """A client, as in `channels.testing`. The host finds the route of the path, and nothing goes over a socket.

    `path` may have a query. `headers` are those of the request. `user` has the claims of the user as a dictionary; a
    text is the claim `sub`. `url_route` replaces the captures of the route. `client` is the address and the port of
    the client.

    A time-out is in seconds. The clock stands still, so a method with the time-out 0 returns or raises at once. With
    another one, the clock advances until there is a result, and at most by the time-out.
    """

    def __init__(self, path, *, headers=(), subprotocols=(), user=None, url_route=None, client=None):
        self.path = path
        #: The response to the handshake: 101, or that of the rejection. None before `connect`.
        self.response = None
        #: The subprotocol that the consumer has chosen, or None.
        self.subprotocol = None
        #: The name of the connection's channel. None before `connect`.
        self.channel_name = None
        #: How the connection has ended, or None.
        self.closed = None
        self.set_request(headers, subprotocols, user, url_route, client)
        self._connection = None
        #: What has arrived and was not received yet.
        self._arrived = None
        #: Whether nothing more can arrive.
        self._has_ended = False

    def __repr__(self):
        return f"<{type(self).__name__} {self.path}>"

    async def __aenter__(self):
        """Connects. Raises AssertionError if the handshake is rejected."""
        is_connected, code = await self.connect()
        if not is_connected:
            raise AssertionError(f"the handshake of {self.path} was rejected with {code}: {self.response.text}")
        return self

    async def __aexit__(self, kind, value, traceback):
        await self.disconnect()

    def set_request(self, headers=(), subprotocols=(), user=None, url_route=None, client=None):
        """Sets what the handshake sends, before `connect`."""
        self._request = {
            "headers": make_headers(headers),
            "subprotocols": list(subprotocols),
            "user": _encode_user(user),
            "url_route": None if url_route is None else {name: str(value) for name, value in url_route.items()},
            "client": None if client is None else list(client),
        }

    async def connect(self, timeout=0):
        """Connects. Returns True and the subprotocol, or False and the status of the rejection.

        Raises TimeoutError if the consumer has not decided yet. Another call goes on waiting.
        """
        if self.response is not None:
            raise RuntimeError(f"{self!r} has connected before: make another Communicator")
        answer = {}
        async for _ in _look_again(timeout):
            answer = self._ask_for_decision()
            if answer["state"] != "undecided":
                break
        self.channel_name = answer.get("channel")
        if answer["state"] == "undecided":
            raise TimeoutError("the consumer has neither accepted nor rejected the handshake, and waits")
        return self._end_handshake(answer)

    def _ask_for_decision(self):
        if self._connection is not None:
            return request("handshake", connection=self._connection)
        answer = request("connect", path=self.path, **self._request)
        self._connection = answer["connection"]
        return answer

    def _end_handshake(self, answer):
        is_accepted = answer["state"] == "accepted"
        status = 101 if is_accepted else answer["status"]
        self.response = Response(status, read_headers(answer["headers"]), read_bytes(answer.get("body", b"")))
        self.subprotocol = answer.get("subprotocol")
        return (True, self.subprotocol) if is_accepted else (False, status)

    async def send_to(self, text_data=None, bytes_data=None):
        """Sends a text or bytes to the consumer."""
        if text_data is not None and bytes_data is not None:
            raise ValueError("a frame has text_data or bytes_data, and not both")
        request("send", connection=self._open(), data=make_frame(text_data, bytes_data).value)

    async def send_json_to(self, data):
        """Sends a value as JSON."""
        await self.send_to(text_data=json.dumps(data))

    async def receive_from(self, timeout=0):
        """Returns the next text or bytes from the consumer.

        Raises TimeoutError if nothing arrives, and AssertionError if the connection closes.
        """
        arrived = await self._look(timeout)
        if arrived is None:
            raise self._nothing_arrived("a frame")
        if "close" in arrived:
            raise AssertionError(f"there is no frame: the connection closed with {arrived['close']}")
        self._arrived = None
        return arrived["data"]

    async def receive_json_from(self, timeout=0):
        """Returns the value of the next text, which is JSON. Raises as `receive_from`."""
        text = await self.receive_from(timeout)
        if not isinstance(text, str):
            raise AssertionError(f"expected a text of JSON, got {text!r}")
        return json.loads(text)

    async def receive_nothing(self, timeout=0):
        """Says whether nothing arrives."""
        return await self._look(timeout) is None

    async def receive_close(self, timeout=0):
        """Returns how the connection ends, as a CloseFrame.

        Raises TimeoutError if it stays open, and AssertionError if a frame arrives before that.
        """
        arrived = await self._look(timeout)
        if arrived is None:
            if self.closed is not None:
                return self.closed
            raise self._nothing_arrived("a close")
        if "data" in arrived:
            raise AssertionError(f"expected a close, got the frame {arrived['data']!r}")
        self._arrived = None
        return self.closed

    async def disconnect(self, code=1000, reason=""):
        """Closes the connection. The consumer's `disconnect` has run afterwards. Does nothing if it is closed."""
        if self._is_open():
            request("disconnect", connection=self._connection, code=code, reason=reason)
            self.closed = CloseFrame(code, reason)

    async def abort(self):
        """Ends the connection without a Close frame, as a client that loses its network."""
        request("abort", connection=self._open())
        self.closed = CloseFrame(1006, "")
        self._has_ended = True

    def _open(self):
        """Returns the number of the connection. Raises RuntimeError if it is not connected."""
        if self._connection is None:
            raise RuntimeError(f"{self!r} is not connected: await its connect()")
        return self._connection

    def _is_open(self):
        """Says whether the connection can be closed: it is there, was not rejected, and has no end yet."""
        is_rejected = self.response is not None and self.response.status != 101
        return self._connection is not None and self.closed is None and not is_rejected

    async def _look(self, timeout):
        """Returns what has arrived and keeps it, or returns None if nothing does."""
        self._open()
        async for _ in _look_again(timeout):
            if self._arrived is None and not self._has_ended:
                self._keep(request("receive", connection=self._connection))
            if self._arrived is not None:
                break
        return self._arrived

    def _keep(self, arrived):
        self._has_ended = arrived is not None and "close" in arrived
        # After the client's own close, that of the host is the reply.
        if not self._has_ended or self.closed is None:
            self._arrived = arrived
        if self._has_ended and self.closed is None:
            self.closed = CloseFrame(*arrived["close"])

    def _nothing_arrived(self, expected):
        if self.closed is not None:
            return AssertionError(f"expected {expected}: the connection closed with {tuple(self.closed)}")
        return TimeoutError(f"expected {expected}: nothing has arrived from {self.path}")


async def _look_again(timeout):
    """Yields each time when a result may be there: at once, after other tasks of the test, and while time passes."""
    yield
    await asyncio.sleep(0)
    yield
    left = milliseconds_of(timeout)
    part = max(_SHORTEST_PART, left // _PARTS)
    while left > 0:
        await asyncio.sleep(min(part, left) / 1000)
        left -= part
        yield


def _encode_user(user):
    """Returns the claims of a user as JSON, or None."""
    if user is None:
        return None
    if isinstance(user, str):
        user = {"sub": user}
    if not isinstance(user, Mapping):
        raise TypeError(f"a user has to be a dictionary of claims, or the claim sub as str, not {type(user).__name__}")
    return json.dumps(dict(user))
