"""The exceptions of Django Channels."""


class RequestAborted(Exception):
    """The request was aborted while its body was read."""


class RequestTimeout(RequestAborted):
    """The request was aborted by a time-out."""


class InvalidChannelLayerError(ValueError):
    """The plugin uses a channel layer that does not exist, or one without groups."""


class AcceptConnection(Exception):
    """Raised in `connect` to accept the connection."""


class DenyConnection(Exception):
    """Raised in `connect` to deny the connection."""


class ChannelFull(Exception):
    """The number of messages that wait on the channel is at its limit."""

    __narrowboat_external__ = True


class MessageTooLarge(Exception):
    """The message is larger than the host allows."""


class StopConsumer(Exception):
    """Raised by a consumer to end."""
