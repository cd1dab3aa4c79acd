"""The clock of the host."""

import datetime

from narrowboat_runtime.testing.clock import current
from narrowboat_runtime.testing.host_request import request


#: A time as a test writes it.
_EXAMPLE = "2026-03-28T12:00:00+01:00"


def advance(seconds):
    """Advances the clock of the host. Timers that are due meanwhile fire in their order."""
    current().advance(milliseconds_of(seconds))


def set_time(time):
    """Sets the wall clock of the host to a datetime or a text in ISO 8601, without letting time pass. Schedules begin anew.

    Raises ValueError for a time without a time zone.
    """
    if isinstance(time, str):
        time = _parse_time(time)
    if not isinstance(time, datetime.datetime):
        raise TypeError(f"set_time takes a datetime or a text such as {_EXAMPLE}, not {type(time).__name__}")
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone; write for example {_EXAMPLE}")
    current()
    request("set_time", timestamp=time.timestamp())


def _parse_time(text):
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a time in ISO 8601; write for example {_EXAMPLE}") from None


def milliseconds_of(seconds):
    """Returns whole milliseconds. Raises ValueError for a negative time."""
    if not 0 <= seconds < 1e12:
        raise ValueError(f"a clock advances by a number of seconds from 0 on, not by {seconds!r}")
    return round(seconds * 1000)
