"""Raises a time-out in the plugin's code before the host ends the instance.

The compiler inserts a check at the start of each function and of each round of a loop: it takes the next element of an
iterator that is written in C, so that most checks run no Python code. After a batch of checks the iterator asks
`_Batches` for the next batch, and `_Batches` asks the host for the time that is left.
"""

import builtins
from itertools import chain, repeat

from wit_world.imports import call_time as host

#: The names under which the plugin's code finds `next` and the iterator. A plugin may replace its own `next`.
NEXT_NAME = "__narrowboat_next__"
CHECKS_NAME = "__narrowboat_checks__"

_FIRST_BATCH = 50
_LARGEST_BATCH = 1_024
_get_call_time = host.get

#: What runs and what its limit is, for error texts. `name_limit` and `name_test` set them.
_subject, _limit = "the call", "of limits.load_time"


class CallTimeout(TimeoutError):
    """A call of the host has used most of its time. A plugin may catch this to finish its work quickly."""


class CallAborted(BaseException):
    """A call of the host has caught CallTimeout and goes on. Only `except BaseException` catches this."""


class _Batches:
    """An endless iterator over batches of checks. It measures the time between two of them."""

    __slots__ = ("size", "left_before", "raised")

    def __init__(self):
        self.size = _FIRST_BATCH
        self.left_before = 0
        self.raised = 0

    def __iter__(self):
        return self

    def __next__(self):
        now = _get_call_time()
        limit, left = now.limit, now.left
        margin = _margin(limit)
        if left < margin:
            self._raise_timeout(limit, left, margin)
        else:
            self.raised = 0
        used = self.left_before - left
        self.left_before = left
        if 0 <= used < limit >> 8:
            self.size = min(self.size * 2, _LARGEST_BATCH)
        elif used < 0 or used > limit >> 6:
            # A new call has begun, or the rounds of the loop are long.
            self.size = _FIRST_BATCH if used < 0 else max(1, self.size >> 2)
        return repeat(True, self.size)

    def _raise_timeout(self, limit, left, margin):
        self.size = 1
        if self.raised == 0:
            self.raised = 1
            arm(self)
            raise CallTimeout(f"{_subject} has used {_used_of(limit, left)}")
        if left < margin >> 1:
            arm(self)
            raise CallAborted(f"{_subject} has caught CallTimeout and used {_used_of(limit, left)}")


def name_limit(name):
    """Sets the key of the limit that calls of the host have from now on."""
    global _limit
    _limit = f"of limits.{name}"


def name_test():
    """Says that the calls of the host from now on are tests."""
    global _subject, _limit
    _subject, _limit = "the test", "that a test may take"


def _used_of(limit, left):
    return f"{(limit - left) // 1000} of the {limit // 1000} ms {_limit}"


def _margin(limit):
    """The time that is left for error handlers, traceback and log, in microseconds."""
    return min(max(limit // 5, 2_000), limit // 2, 200_000)


def arm(batches=None):
    """Makes a new iterator of checks. One of `itertools.chain` ends when it raises."""
    setattr(builtins, NEXT_NAME, next)
    setattr(builtins, CHECKS_NAME, chain.from_iterable(batches or _Batches()))
