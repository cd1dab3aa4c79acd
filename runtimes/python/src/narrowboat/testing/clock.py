"""The clock of the host."""

from narrowboat_runtime.testing.clock import current


def advance(seconds):
    """Advances the clock of the host. Timers that are due meanwhile fire in their order."""
    current().advance(milliseconds_of(seconds))


def milliseconds_of(seconds):
    """Returns whole milliseconds. Raises ValueError for a negative time."""
    if not 0 <= seconds < 1e12:
        raise ValueError(f"a clock advances by a number of seconds from 0 on, not by {seconds!r}")
    return round(seconds * 1000)
