"""Ends a test early, and expects exceptions."""

import re


class Skipped(BaseException):
    """Raised by `skip`. Its argument is the reason. `except Exception` does not catch it."""


def skip(reason=""):
    """Ends the test and counts it as skipped."""
    raise Skipped(reason)


def fail(reason=""):
    """Ends the test and counts it as failed."""
    raise AssertionError(reason)


class raises:
    """A context manager that expects an exception of one of the given types.

    `match` is a regular expression that the text of the exception has to contain. After the block, the attribute
    `value` is the exception, and `type` is its type.
    """

    def __init__(self, expected, *, match=None):
        self.expected = expected if isinstance(expected, tuple) else (expected,)
        self.match = match
        self.value = self.type = None
        if not self.expected or not all(isinstance(each, type) for each in self.expected):
            raise TypeError("raises expects a type of exceptions, or a tuple of them")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        names = " or ".join(each.__name__ for each in self.expected)
        if value is None:
            raise AssertionError(f"the block did not raise {names}")
        if not isinstance(value, self.expected):
            return False
        if self.match is not None and not re.search(self.match, str(value)):
            raise AssertionError(f"the text of {kind.__name__} does not match {self.match!r}: {str(value)!r}")
        self.value, self.type = value, kind
        return True
