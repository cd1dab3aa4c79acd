"""Marks exceptions that a client caused."""

from contextlib import contextmanager

#: The close code for data that cannot be read, as in RFC 6455, section 7.4.1.
INVALID_DATA = 1007


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
    return getattr(error, "__narrowboat_close__", None)
