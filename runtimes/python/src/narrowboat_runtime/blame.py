"""Tells whether the client, another server or the plugin caused an exception."""

from contextlib import contextmanager

#: The close code for data that cannot be read, as in RFC 6455, section 7.4.1.
INVALID_DATA = 1007

#: The most exceptions of a chain that are looked at.
_MAX_CAUSES = 16


@contextmanager
def blame_client(reason, code=INVALID_DATA):
    """Blames the client for the exceptions of the block: the connection closes with this code and reason.

    An exception keeps its type, so a plugin can still catch it.
    """
    try:
        yield
    except ValueError as error:
        error.__narrowboat_close__ = (code, reason)
        raise


def close_frame_of(error):
    """Returns the close code and the reason that the client gets, or None if the plugin is to blame."""
    close_frame = getattr(error, "__narrowboat_close__", None)
    return close_frame if close_frame is None or _is_close_frame(close_frame) else None


def is_external(error):
    """Says whether another server or a limit of the operator caused an exception, itself or as its `__cause__`."""
    for _ in range(_MAX_CAUSES):
        if error is None or close_frame_of(error) is not None:
            return False
        if getattr(type(error), "__narrowboat_external__", False) is True:
            return True
        error = error.__cause__
    return False


def _is_close_frame(value):
    """Says whether a plugin has left the mark as it was made."""
    return type(value) is tuple and len(value) == 2 and type(value[0]) is int and type(value[1]) is str
