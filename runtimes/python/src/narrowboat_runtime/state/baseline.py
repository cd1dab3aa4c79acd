"""The values of a plugin's names after its modules were loaded. Names that differ later have state."""

import collections

from . import names
from .pickler import dump_plain
from .reducers import get_comparing_table

_FLAT_TYPES = frozenset((list, dict, set, collections.deque, bytearray))

#: The values by module and path.
_baseline = {}

#: The names that a module had when it was loaded.
_known_modules = set()


class _Baseline:
    """The value of a name, and what is needed to see whether it has changed."""

    __slots__ = ("value", "copy", "pickled", "size")

    def __init__(self, value):
        self.value = value
        self.copy = self.pickled = self.size = None
        if names.is_atom(value):
            return
        self.size = _size_of(value)
        if is_flat(value):
            self.copy = value.copy() if hasattr(value, "copy") else value
        else:
            self.pickled = _try_dump(value)

    def has_changed(self, value):
        """Says whether a value differs from the one that was loaded."""
        old = self.value
        if names.is_atom(value) or names.is_atom(old):
            return value is not old and (type(value) is not type(old) or value != old)
        if type(value) is not type(old) or self.size != _size_of(value):
            return True
        if self.copy is not None:
            return value != self.copy
        if self.pickled is None:
            # It could not be saved when it was loaded, so it counts as a part of the program.
            return value is not old
        return _try_dump(value) != self.pickled


def _size_of(value):
    return len(value) if hasattr(type(value), "__len__") else None


def is_flat(value):
    """Says whether a value is a container with nothing but atoms."""
    kind = type(value)
    if kind not in _FLAT_TYPES:
        return False
    if kind is bytearray:
        return True
    if kind is dict and not names.ATOMS.issuperset(map(type, value.values())):
        return False
    return names.ATOMS.issuperset(map(type, value))


def _try_dump(value):
    try:
        return dump_plain(value, get_comparing_table())
    except Exception:
        return None


def take():
    """Takes down the values of the names of modules that were loaded since the last call."""
    modules = set()
    for module, path, value in names.walk_names():
        if module not in _known_modules:
            modules.add(module)
            _baseline[module, path] = _Baseline(value)
    _known_modules.update(modules)


def has_changed(module, path, value):
    """Says whether running code has changed the value of a name."""
    baseline = _baseline.get((module, path))
    return baseline is None or baseline.has_changed(value)


def is_known(module, path):
    """Says whether the source of this version defines a name."""
    return (module, path) in _baseline


def pickle_of(module, path):
    """Returns the pickle of the value that was loaded, or None."""
    baseline = _baseline.get((module, path))
    return baseline.pickled if baseline is not None else None
