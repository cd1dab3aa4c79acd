"""Writes pickles, and says which object cannot be saved."""

import io
import pickle
import struct

from .reducers import get_table

PROTOCOL = 5

#: The class as it was before a plugin could replace it.
_Pickler = pickle.Pickler

#: Pickles of more than this many levels are not searched for the object that cannot be saved.
_MAX_LEVELS = 20

_REFER_AND_POP = b"Q\x940"


class UnsavableError(Exception):
    """An object cannot be saved. The text names it and says why."""


class StatePickler:
    """Writes pickles in which some objects are references, which the reader replaces by objects of its own.

    The references are entries of the pickler's memo, so that they cost nothing while it runs.
    """

    def __init__(self, references=(), table=None):
        self.references = list(references)
        self._table = table or get_table()

    def dump(self, value):
        """Returns the pickle of a value. Raises what pickle raises."""
        out = io.BytesIO()
        pickler = _Pickler(out, PROTOCOL)
        pickler.dispatch_table = self._table
        pickler.memo = {id(value): (index, value) for index, value in enumerate(self.references)}
        pickler.dump(value)
        return out.getvalue()

    def can_dump(self, value):
        """Says why a value cannot be saved, or returns None."""
        try:
            self.dump(value)
        except Exception as error:
            return error
        return None


def make_prefix(count):
    """Returns a pickle that puts `count` references into the memo of its reader. The reader asks for each by number."""
    entries = (b"J" + struct.pack("<i", index) + _REFER_AND_POP for index in range(count))
    return b"".join((b"\x80\x05", *entries, b"N."))


def dump_plain(value, table=None):
    """Returns the pickle of a value without references. Raises what pickle raises."""
    return StatePickler(table=table).dump(value)


def raise_unsavable(pickler, parts):
    """Raises UnsavableError for the first part that cannot be saved. `parts` yields names and values."""
    for name, value in parts:
        error = pickler.can_dump(value)
        if error is not None:
            name, value, error = _find_inner(pickler, name, value, error)
            reason = f"{type(error).__name__}: {error}"
            raise UnsavableError(f"{name} is a {type(value).__name__}, which cannot be saved ({reason})")
    raise UnsavableError("the state cannot be saved, because its objects are nested too deep")


def _find_inner(pickler, name, value, error):
    for _ in range(_MAX_LEVELS):
        for inner_name, inner in _children(name, value):
            inner_error = pickler.can_dump(inner)
            if inner_error is not None:
                name, value, error = inner_name, inner, inner_error
                break
        else:
            break
    return name, value, error


def _children(name, value):
    if isinstance(value, dict):
        yield from ((f"{name}[{key!r}]", item) for key, item in value.items())
        yield from ((f"a key of {name}", key) for key in value)
    elif isinstance(value, (list, tuple)):
        yield from ((f"{name}[{index}]", item) for index, item in enumerate(value))
    elif isinstance(value, (set, frozenset)):
        yield from ((f"an element of {name}", item) for item in value)
    elif isinstance(getattr(value, "__dict__", None), dict):
        yield from ((f"{name}.{key}", item) for key, item in value.__dict__.items())
