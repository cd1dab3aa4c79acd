"""The decision about a handshake, as ASGI messages describe it."""

from wit_world.imports.narrowboat_consumer_types import Acceptance, Rejection

from . import failure
from .blame import is_external
from .errors import Rejected
from .texts import escape_surrogates

#: The status of a handshake that the consumer closes.
FORBIDDEN = 403


def make_acceptance(message):
    """Returns the acceptance of a message `websocket.accept`. Raises TypeError and ValueError."""
    subprotocol = message.get("subprotocol")
    if subprotocol is not None and not isinstance(subprotocol, str):
        raise TypeError(f"the subprotocol has to be str, not {type(subprotocol).__name__}")
    subprotocol = escape_surrogates(subprotocol) if subprotocol is not None else None
    return Acceptance(subprotocol, make_headers(message.get("headers")))


def make_rejection(status, headers=(), body=b""):
    """Returns a rejection. Raises ValueError if the status is not 400 to 599."""
    if not isinstance(status, int) or not 400 <= status <= 599:
        raise ValueError(f"the status of a rejected handshake has to be 400 to 599, not {status!r}")
    return Rejection(int(status), make_headers(headers), as_bytes(body, "utf-8"))


def rejection_of(error):
    """Returns the rejection that an exception of `connect` stands for, or None if the plugin or the client is to blame."""
    if isinstance(error, Rejected):
        return make_rejection(error.status, error.headers, error.body)
    if not is_external(error):
        return None
    failure.report(error, "a handshake was answered 503")
    return make_rejection(503, {"content-type": "text/plain; charset=utf-8"}, "not available now\n")


def make_headers(headers):
    """Returns the headers of the contract. Names and values may be bytes or texts."""
    if not headers:
        return []
    if isinstance(headers, dict):
        headers = headers.items()
    return [(as_text(name).lower(), as_bytes(value, "latin-1")) for name, value in headers]


def as_text(value):
    """Returns bytes or a text as a text that can be UTF-8. Raises TypeError for another type."""
    return escape_surrogates(value) if isinstance(value, str) else _check_bytes(value).decode("latin-1")


def as_bytes(value, encoding):
    """Returns bytes or a text as bytes. Raises TypeError for another type."""
    return value.encode(encoding) if isinstance(value, str) else _check_bytes(value)


def _check_bytes(value):
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"a header or a body has to be bytes or str, not {type(value).__name__}")
    return bytes(value)
