"""`channels.testing` for tests that `narrowboat test` runs. `narrowboat.testing` has more."""

from urllib.parse import unquote, urlsplit

from narrowboat.testing import Communicator


class WebsocketCommunicator(Communicator):
    """A client, as in Django Channels. The host runs the plugin and finds the route of the path.

    `application` is not used: a test that passes it runs under Django Channels too. A test may change `scope` before
    it connects: the keys `url_route`, `user`, `headers` and `subprotocols` count.

    Time-outs are those of Channels, on the clock of the host. The code of a handshake that is rejected is its HTTP
    status.
    """

    def __init__(self, application, path, headers=None, subprotocols=None, spec_version=None):
        super().__init__(path, headers=headers or (), subprotocols=subprotocols or ())
        parts = urlsplit(path)
        self.scope = {
            "type": "websocket",
            "path": unquote(parts.path),
            "query_string": parts.query.encode(),
            "headers": headers or [],
            "subprotocols": subprotocols or [],
        }

    async def connect(self, timeout=1):
        """Connects. Returns True and the subprotocol, or False and the status of the rejection."""
        self.set_request(
            headers=self.scope["headers"],
            subprotocols=self.scope["subprotocols"],
            user=_claims_of(self.scope.get("user")),
            url_route=self.scope.get("url_route", {}).get("kwargs"),
        )
        return await super().connect(timeout)

    async def receive_from(self, timeout=1):
        """Returns the next text or bytes from the consumer."""
        return await super().receive_from(timeout)

    async def receive_json_from(self, timeout=1):
        """Returns the value of the next text, which is JSON."""
        return await super().receive_json_from(timeout)

    async def receive_nothing(self, timeout=0.1, interval=0.01):
        """Says whether nothing arrives."""
        return await super().receive_nothing(timeout)

    async def receive_output(self, timeout=1):
        """Returns what arrives next as an ASGI message: `websocket.send` or `websocket.close`."""
        if await super().receive_nothing(timeout):
            raise TimeoutError(f"nothing has arrived from {self.path}")
        if self.closed is not None:
            code, reason = await self.receive_close()
            return {"type": "websocket.close", "code": code, "reason": reason}
        data = await super().receive_from()
        return {"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data}

    async def disconnect(self, code=1000, timeout=1):
        """Closes the connection."""
        await super().disconnect(code)

    async def wait(self, timeout=1):
        """Does nothing: the consumer's `disconnect` has run when `disconnect` returns."""


def _claims_of(user):
    """Returns the claims of a user of Django Channels: a dictionary, or an object with them."""
    if user is None or getattr(user, "is_anonymous", False):
        return None
    return getattr(user, "claims", user)
