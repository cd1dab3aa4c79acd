"""Keys and values that outlive connections, versions and, over Redis, hosts.

A plugin needs the capability `keyvalue`. A write takes effect at once, even if the call fails later.
"""

import operator

from componentize_py_types import Err
from narrowboat_runtime.texts import check_text
from wit_world.imports import atomics, store


class KeyValueError(Exception):
    """The host refused an operation."""


class AccessDenied(KeyValueError, PermissionError):
    """The manifest does not request `keyvalue`, or the operator does not grant it."""


class Bucket:
    """A named set of keys. It can be an attribute of a consumer."""

    def __init__(self, name):
        self.name = name
        self._handle = None

    def __reduce__(self):
        return Bucket, (self.name,)

    def __repr__(self):
        return f"Bucket({self.name!r})"

    def get(self, key, default=None):
        """Returns the bytes of a key, or the default if there is no such key."""
        value = _call(self._open().get, _check_key(key))
        return default if value is None else value

    def set(self, key, value):
        """Sets the value of a key, bytes or a text. A text is stored as UTF-8."""
        if not isinstance(value, (str, bytes, bytearray, memoryview)):
            raise TypeError(f"a value has to be bytes or str, not {type(value).__name__}")
        _call(self._open().set, _check_key(key), value.encode() if isinstance(value, str) else bytes(value))

    def delete(self, key):
        """Deletes a key, if it is there."""
        _call(self._open().delete, _check_key(key))

    def exists(self, key):
        """Says whether there is a value for the key."""
        return _call(self._open().exists, _check_key(key))

    def increment(self, key, delta=1):
        """Adds to a whole number and returns the sum. A key without a value counts as 0."""
        delta = operator.index(delta)
        if not -(2**63) <= delta < 2**63:
            raise OverflowError("a bucket adds numbers of 64 bits")
        return _call(atomics.increment, self._open(), _check_key(key), delta)

    def list_keys(self):
        """Yields all keys."""
        cursor = None
        while True:
            page = _call(self._open().list_keys, cursor)
            yield from page.keys
            cursor = page.cursor
            if cursor is None:
                return

    def _open(self):
        if self._handle is None:
            self._handle = _call(store.open, _check_key(self.name))
        return self._handle


def open(name):
    """Returns the bucket with this name, which need not exist before."""
    bucket = Bucket(name)
    bucket._open()
    return bucket


def _check_key(key):
    """Returns a key or a name that the host checks. Raises TypeError and ValueError if it is not a text of UTF-8."""
    if not isinstance(key, str):
        raise TypeError(f"the name of a bucket or a key has to be str, not {type(key).__name__}")
    check_text(key)
    return key


def _call(operation, *args):
    try:
        return operation(*args)
    except Err as error:
        raise _exception_of(error.value) from None


def _exception_of(error):
    if isinstance(error, store.Error_AccessDenied):
        return AccessDenied("the plugin may not use keyvalue: request the capability keyvalue in plugin.toml")
    if isinstance(error, store.Error_NoSuchStore):
        return KeyValueError("the name of a bucket has 1 to 99 letters, digits, full stops, hyphens and underscores")
    return KeyValueError(error.value)
