"""Keys and values that outlive connections, versions and, over Redis, hosts.

A plugin needs the capability `keyvalue`. A write takes effect at once, even if the call fails later.
"""

from componentize_py_types import Err
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
        value = _call(self._open().get, key)
        return default if value is None else value

    def set(self, key, value):
        """Sets the value of a key. A text is stored as UTF-8."""
        _call(self._open().set, key, value.encode() if isinstance(value, str) else bytes(value))

    def delete(self, key):
        """Deletes a key, if it is there."""
        _call(self._open().delete, key)

    def exists(self, key):
        """Says whether there is a value for the key."""
        return _call(self._open().exists, key)

    def increment(self, key, delta=1):
        """Adds to a whole number and returns the sum. A key without a value counts as 0."""
        return _call(atomics.increment, self._open(), key, delta)

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
            self._handle = _call(store.open, self.name)
        return self._handle


def open(name):
    """Returns the bucket with this name, which need not exist before."""
    bucket = Bucket(name)
    bucket._open()
    return bucket


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
