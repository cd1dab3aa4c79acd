"""The messages of ASGI that a consumer sends."""

from componentize_py_types import Err
from wit_world.imports import connections
from wit_world.imports.narrowboat_consumer_types import Frame_Text

from . import handshake
from .channel_layer import make_frame
from .errors import Backpressure, FrameTooLarge

#: The phases of a connection. A STOPPED consumer gets no further events.
CONNECTING, OPEN, STOPPED = "connecting", "open", "stopped"

_Closed = connections.SendError_Closed
_MAX_REASON = 123


#: The attribute in which componentize-py keeps the handle of a resource. The class is named `_`, because the names of
#: slots that begin with two underscores are changed in classes with other names.
_Resource = type("_", (), {"__slots__": ("__componentize_py_handle", "finalizer", "__weakref__")})


class OutgoingMessages(_Resource):
    """Sends what a consumer sends to its connection."""

    __slots__ = ("host", "phase", "is_connecting", "decision", "response")

    def __init__(self, host):
        #: The connection of the host. None before it is restored, and after its end.
        self.host = host
        self.phase = CONNECTING
        #: Whether the call `connect` runs, which returns the decision.
        self.is_connecting = False
        #: The acceptance or the rejection, until `connect` returns it.
        self.decision = None
        #: The start of a response that replaces the upgrade.
        self.response = None

    def send_now(self, message):
        """Sends a message of ASGI. This is `base_send` of a synchronous consumer."""
        kind = message["type"]
        if kind == "websocket.send":
            if self.phase is CONNECTING:
                raise ValueError("Socket has not been accepted, so cannot send over it")
            if self.host is None:
                return
            text = message.get("text")
            is_plain = type(text) is str and text.isascii()
            frame = Frame_Text(text) if is_plain else make_frame(text, message.get("bytes"))
            try:
                self.host.send(frame)
            except Err as error:
                if type(error.value) is not _Closed:
                    raise _exception_of(error.value) from None
        else:
            send = _SENDERS.get(kind)
            if send is None:
                raise ValueError(f"a consumer cannot send a message of the type {kind!r}")
            send(self, message)

    async def send_soon(self, message):
        """Sends a message of ASGI. This is `base_send` of an asynchronous consumer."""
        self.send_now(message)

    def accept(self, message):
        """Accepts the handshake. Raises RuntimeError if it is decided already."""
        if self.phase is not CONNECTING:
            raise RuntimeError("the handshake is decided already: accept() works once, before close()")
        acceptance = handshake.make_acceptance(message)
        self.phase = OPEN
        if self.is_connecting:
            self.decision = acceptance
        elif self.host is not None:
            self.host.accept(acceptance)

    def reject(self, rejection):
        """Rejects the handshake."""
        self.on_rejected()
        if self.is_connecting:
            self.decision = rejection
        elif self.host is not None:
            self.host.reject(rejection)

    def on_rejected(self):
        """Ends the consumer."""

    def close_or_reject(self, message):
        """Closes the connection, or rejects a handshake that is not decided."""
        if self.phase is CONNECTING:
            self.reject(handshake.make_rejection(handshake.FORBIDDEN))
            return
        code, reason = message.get("code"), message.get("reason") or ""
        code = 1000 if code is None else int(code)
        if not (code == 1000 or 3000 <= code <= 4999):
            raise ValueError(f"a plugin can close with 1000 or 3000 to 4999, not with {code}")
        if len(reason.encode()) > _MAX_REASON:
            raise ValueError(f"the reason of a close has at most {_MAX_REASON} bytes")
        self.close(code, reason)

    def close(self, code, reason):
        """Closes the connection, if it is still there."""
        if self.host is not None:
            self.host.close(code, reason)

    def start_response(self, message):
        """Starts a response that replaces the upgrade. Its body follows."""
        if self.phase is not CONNECTING:
            raise RuntimeError("the handshake is decided already: a response has to come before accept()")
        self.response = handshake.make_rejection(message["status"], message.get("headers") or ())

    def add_body(self, message):
        """Adds a part of the body, and rejects the handshake after the last part."""
        if self.response is None:
            raise RuntimeError("websocket.http.response.body has to follow websocket.http.response.start")
        self.response.body += bytes(message.get("body", b""))
        if not message.get("more_body", False):
            response, self.response = self.response, None
            self.reject(response)


_SENDERS = {
    "websocket.accept": OutgoingMessages.accept,
    "websocket.close": OutgoingMessages.close_or_reject,
    "websocket.http.response.start": OutgoingMessages.start_response,
    "websocket.http.response.body": OutgoingMessages.add_body,
}


def _exception_of(error):
    if isinstance(error, connections.SendError_Backpressure):
        return Backpressure("the client does not read, and its queue is full")
    if isinstance(error, connections.SendError_TooLarge):
        return FrameTooLarge(f"the frame is larger than {error.value} bytes")
    return ValueError(error.value)
