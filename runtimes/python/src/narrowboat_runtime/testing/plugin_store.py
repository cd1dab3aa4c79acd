"""The buckets and the configuration of the plugin, in the instance that runs the tests.

The classes stand for the modules of the contract, whose functions `narrowboat.keyvalue` and `narrowboat.config` call.
"""

from componentize_py_types import Err
from wit_world.imports import atomics
from wit_world.imports import keyvalue as lifetimes
from wit_world.imports import wasi_keyvalue_store as store

from .host_request import read_bytes, request


class PluginStore:
    """Stands for `wasi:keyvalue/store`."""

    @staticmethod
    def open(name):
        """Returns a bucket."""
        return PluginBucket(name)

    Error_AccessDenied = store.Error_AccessDenied
    Error_NoSuchStore = store.Error_NoSuchStore


class PluginBucket:
    """A bucket of the plugin."""

    def __init__(self, name):
        self._name = name

    def request(self, operation, **values):
        """Sends a request about this bucket."""
        return request(f"keyvalue_{operation}", bucket=self._name, **values)

    def get(self, key):
        """Returns the bytes of a key, or None."""
        value = self.request("get", key=key)
        return None if value is None else read_bytes(value)

    def set(self, key, value):
        """Sets the bytes of a key."""
        self.request("set", key=key, value=value)

    def delete(self, key):
        """Deletes a key."""
        self.request("delete", key=key)

    def exists(self, key):
        """Says whether there is a value for the key."""
        return self.get(key) is not None


class PluginAtomics:
    """Stands for `wasi:keyvalue/atomics`."""

    CasError_CasFailed = atomics.CasError_CasFailed

    class Cas:
        """The value that a key had."""

        def __init__(self, bucket, key):
            self.bucket = bucket
            self.key = key
            self.value = bucket.get(key)

        @classmethod
        def new(cls, bucket, key):
            """Reads the value."""
            return cls(bucket, key)

        def current(self):
            """Returns the value."""
            return self.value

    @staticmethod
    def increment(bucket, key, delta):
        """Adds to a whole number and returns the sum."""
        return bucket.request("increment", key=key, delta=delta)

    @classmethod
    def swap(cls, cas, value):
        """Sets the value if the key still has the earlier one."""
        if not cas.bucket.request("compare_and_set", key=cas.key, expected=cas.value, value=value):
            raise Err(atomics.CasError_CasFailed(cls.Cas(cas.bucket, cas.key)))


class PluginBatch:
    """Stands for `wasi:keyvalue/batch`."""

    @staticmethod
    def get_many(bucket, keys):
        """Returns pairs of a key and its value, or None."""
        return [(key, bucket.get(key)) for key in keys]

    @staticmethod
    def set_many(bucket, values):
        """Sets pairs of a key and its value."""
        for key, value in values:
            bucket.set(key, value)

    @staticmethod
    def delete_many(bucket, keys):
        """Deletes keys."""
        for key in keys:
            bucket.delete(key)


class PluginLifetimes:
    """Stands for `narrowboat:consumer/keyvalue`."""

    TimeToLive_Missing = lifetimes.TimeToLive_Missing
    TimeToLive_Remaining = lifetimes.TimeToLive_Remaining

    @staticmethod
    def set_with_ttl(bucket, key, value, ttl_ms):
        """Sets a value with a time to live."""
        bucket.request("set", key=key, value=value, ttl=ttl_ms)

    @staticmethod
    def set_ttl(bucket, key, ttl_ms):
        """Changes the time to live of a key. Says whether there is such a key."""
        return bucket.request("set_ttl", key=key, ttl=ttl_ms)

    @staticmethod
    def ttl(bucket, key):
        """Returns the time that a key has left."""
        left = bucket.request("ttl", key=key)
        if left is None:
            return lifetimes.TimeToLive_Missing()
        milliseconds = left["milliseconds"]
        return lifetimes.TimeToLive_Unlimited() if milliseconds is None else lifetimes.TimeToLive_Remaining(milliseconds)

    @staticmethod
    def list_by_prefix(bucket, prefix, cursor, limit):
        """Returns a page of keys."""
        keys = bucket.request("keys", prefix=prefix)
        start = 0 if cursor is None else int(cursor)
        end = start + limit
        return store.KeyResponse(keys[start:end], str(end) if end < len(keys) else None)


class PluginConfig:
    """Stands for `wasi:config/store`."""

    @staticmethod
    def get(key):
        """Returns the value of a key, or None."""
        return request("config").get(key)

    @staticmethod
    def get_all():
        """Returns pairs of a key and its value."""
        return list(request("config").items())
