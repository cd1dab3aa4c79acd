"""Keys and values that outlive connections, versions and, over Redis, hosts.

A plugin needs the capability `keyvalue`. A write takes effect at once, even if the call fails later.

Several instances and hosts write at the same time. A change that depends on the earlier value is safe with `increment`,
`update` and `compare_and_set`, and not with `get` and `set`.
"""

import datetime
import math
import operator
from collections import namedtuple

from componentize_py_types import Err
from narrowboat_runtime.texts import check_text
from wit_world.imports import atomics, batch
from wit_world.imports import keyvalue as lifetimes
from wit_world.imports import wasi_keyvalue_store as store

#: A page of keys, in no particular order. The cursor is that of the next page, or None.
KeyPage = namedtuple("KeyPage", ("keys", "cursor"))

#: The keys of a page.
_PAGE_KEYS = 1_000

#: How often an update is tried. Each failure is the success of another writer.
_MAX_ATTEMPTS = 1_000

#: The host begins the texts of these errors with this. They are not the fault of the plugin.
_UNAVAILABLE_PREFIX = "key-value store unavailable: "

#: The rule for names of buckets.
_NAME_RULE = "the name of a bucket has 1 to 99 ASCII letters, digits, '.', '_' and '-'"

#: The most characters of a name that an error shows.
_SHOWN_CHARACTERS = 64

#: The longest time to live in seconds: 100 years.
_LONGEST_TTL = 100 * 365 * 86_400


class KeyValueError(Exception):
    """The host refused an operation."""


class AccessDenied(KeyValueError, PermissionError):
    """The manifest does not request `keyvalue`, or the operator does not grant it."""


class Unavailable(KeyValueError, ConnectionError):
    """The store does not respond or takes no writes, or a limit of the operator is reached."""

    __narrowboat_external__ = True


class Bucket:
    """A named set of keys. It can be an attribute of a consumer.

    `key in bucket`, `bucket[key]`, `bucket[key] = value`, `del bucket[key]` and `for key in bucket` work too.
    """

    def __init__(self, name):
        self.name = name
        self._handle = None

    def __reduce__(self):
        return Bucket, (self.name,)

    def __repr__(self):
        return f"Bucket({self.name!r})"

    def __getitem__(self, key):
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key, value):
        self.set(key, value)

    def __delitem__(self, key):
        self.delete(key)

    def __contains__(self, key):
        return self.exists(key)

    def __iter__(self):
        return self.list_keys()

    def get(self, key, default=None):
        """Returns the bytes of a key, or the default if there is no such key."""
        value = _call(self._open().get, _check_key(key))
        return default if value is None else value

    def set(self, key, value, ttl=None):
        """Sets the value of a key, bytes or a text. A text is stored as UTF-8.

        `ttl` is the time after which the key is deleted: seconds, or a timedelta. Without it the key stays, also if it
        had a time to live before.
        """
        if ttl is None:
            _call(self._open().set, _check_key(key), _to_bytes(value))
        else:
            _call(lifetimes.set_with_ttl, self._open(), _check_key(key), _to_bytes(value), _milliseconds(ttl))

    def delete(self, key):
        """Deletes a key, if it is there."""
        _call(self._open().delete, _check_key(key))

    def exists(self, key):
        """Says whether there is a value for the key."""
        return _call(self._open().exists, _check_key(key))

    def increment(self, key, delta=1):
        """Adds to a whole number and returns the sum. A key without a value counts as 0. A time to live stays."""
        delta = operator.index(delta)
        if not -(2**63) <= delta < 2**63:
            raise OverflowError("a bucket adds numbers of 64 bits")
        return _call(atomics.increment, self._open(), _check_key(key), delta)

    def compare_and_set(self, key, expected, value):
        """Sets the value if the key has the value `expected` now; None stands for no such key. Says whether it did.

        A time to live stays.
        """
        expected = None if expected is None else _to_bytes(expected)
        value = _to_bytes(value)
        cas = self._compare(key)
        return _call(cas.current) == expected and _swap(cas, value) is None

    def update(self, key, change):
        """Sets the value to what `change` makes of the value that the key has, or of None. Returns the new value.

        If another writer changes the value meanwhile, `change` is called again with the newer value, so that no update
        is lost. It should have no effect but its result, bytes or a text. If it raises, the key keeps its value. A time
        to live stays.
        """
        cas = self._compare(key)
        for _ in range(_MAX_ATTEMPTS):
            value = _to_bytes(change(_call(cas.current)))
            cas = _swap(cas, value)
            if cas is None:
                return value
        raise KeyValueError(
            f"the value of {key[:_SHOWN_CHARACTERS]!r} in the bucket {self.name!r} has changed at each of {_MAX_ATTEMPTS} attempts"
        )

    def get_many(self, keys):
        """Returns a dictionary with the values of those keys that are there.

        A batch has at most 1,000 keys, and its values at most 4 MiB together.
        """
        found = _call(batch.get_many, self._open(), _check_keys(keys))
        return {key: value for key, value in found if value is not None}

    def set_many(self, values):
        """Sets the values of a dictionary: all of them, or none. The limits are those of `get_many`."""
        values = values.items() if hasattr(values, "items") else values
        _call(batch.set_many, self._open(), [(_check_key(key), _to_bytes(value)) for key, value in values])

    def delete_many(self, keys):
        """Deletes keys, at most 1,000."""
        _call(batch.delete_many, self._open(), _check_keys(keys))

    def ttl(self, key):
        """Returns the seconds that a key has left, `math.inf` if it has no end, or None if there is no such key."""
        left = _call(lifetimes.ttl, self._open(), _check_key(key))
        if isinstance(left, lifetimes.TimeToLive_Remaining):
            return left.value / 1000
        return None if isinstance(left, lifetimes.TimeToLive_Missing) else math.inf

    def set_ttl(self, key, ttl):
        """Changes the time to live of a key: seconds, a timedelta, or None. Says whether there is such a key."""
        ttl = None if ttl is None else _milliseconds(ttl)
        return _call(lifetimes.set_ttl, self._open(), _check_key(key), ttl)

    def list_keys(self, prefix=""):
        """Yields all keys that begin with the prefix, in no particular order."""
        cursor = None
        while True:
            page = self.list_page(prefix, cursor)
            yield from page.keys
            cursor = page.cursor
            if cursor is None:
                return

    def list_page(self, prefix="", cursor=None, limit=_PAGE_KEYS):
        """Returns about `limit` of the keys that begin with the prefix, as a KeyPage. A page may be empty.

        `cursor` is the one of the page before.
        """
        limit = min(max(operator.index(limit), 1), 2**32 - 1)
        cursor = None if cursor is None else _check_key(cursor)
        page = _call(lifetimes.list_by_prefix, self._open(), _check_key(prefix), cursor, limit)
        return KeyPage(page.keys, page.cursor)

    def _compare(self, key):
        return _call(atomics.Cas.new, self._open(), _check_key(key))

    def _open(self):
        if self._handle is None:
            self._handle = self._open_store(_check_key(self.name))
        return self._handle

    @staticmethod
    def _open_store(name):
        try:
            return store.open(name)
        except Err as error:
            if isinstance(error.value, store.Error_NoSuchStore):
                raise KeyValueError(f"no such store {name[:_SHOWN_CHARACTERS]!r}: {_NAME_RULE}") from None
            raise _exception_of(error.value) from None


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


def _check_keys(keys):
    if isinstance(keys, str):
        raise TypeError("the keys of a batch have to be a list, not one str")
    return [_check_key(key) for key in keys]


def _to_bytes(value):
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"a value has to be bytes or str, not {type(value).__name__}")
    return bytes(value)


def _milliseconds(ttl):
    seconds = ttl.total_seconds() if isinstance(ttl, datetime.timedelta) else ttl
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"a time to live has to be seconds or a timedelta, not {type(ttl).__name__}")
    if not 0 < seconds <= _LONGEST_TTL:
        raise ValueError(f"a time to live is more than 0 seconds and at most 100 years, not {seconds!r} seconds")
    return max(round(seconds * 1000), 1)


def _swap(cas, value):
    """Returns None if the value was set, and otherwise a comparison with the newer value."""
    try:
        atomics.swap(cas, value)
    except Err as error:
        if isinstance(error.value, atomics.CasError_CasFailed):
            return error.value.value
        raise _exception_of(error.value.value) from None
    return None


def _call(operation, *args):
    try:
        return operation(*args)
    except Err as error:
        raise _exception_of(error.value) from None


def _exception_of(error):
    if isinstance(error, store.Error_AccessDenied):
        return AccessDenied("the plugin may not use keyvalue: request the capability keyvalue in plugin.toml")
    if error.value.startswith(_UNAVAILABLE_PREFIX):
        return Unavailable(error.value)
    return KeyValueError(error.value)
