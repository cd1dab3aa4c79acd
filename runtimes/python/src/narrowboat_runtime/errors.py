"""The exceptions that the runtime adds to those of Django Channels."""


class Rejected(Exception):
    """Raised in `connect` to reject the handshake with an HTTP response. `status` is 400 to 599."""

    def __init__(self, status=403, body=b"", headers=()):
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers


class ClientError(Exception):
    """Raised by a handler if the client broke a rule of the plugin.

    The client gets a Close frame. `code` is 1007 or 4000 to 4999, and `reason` has at most 123 bytes. The error does
    not count against the plugin. Raises TypeError and ValueError for another code or reason.
    """

    def __init__(self, code, reason=""):
        super().__init__(code, reason)
        self.__narrowboat_close__ = _check_close(code, reason)


def _check_close(code, reason):
    if not isinstance(code, int) or not isinstance(reason, str):
        raise TypeError("a ClientError has a close code, which is an int, and a reason, which is a str")
    if code != 1007 and not 4000 <= code <= 4999:
        raise ValueError(f"a ClientError closes with 1007 or 4000 to 4999, not with {code}")
    if len(reason.encode()) > 123:
        raise ValueError("the reason of a close has at most 123 bytes")
    return int(code), str(reason)


class Backpressure(ConnectionError):
    """The client does not read, and its queue is full."""


class FrameTooLarge(ValueError):
    """A frame is larger than the host allows."""
