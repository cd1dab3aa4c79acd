from dataclasses import dataclass

from .. import host


@dataclass
class Error_NoSuchStore:
    pass


@dataclass
class Error_AccessDenied:
    pass


@dataclass
class Error_Other:
    value: str


@dataclass
class KeyResponse:
    keys: list
    cursor: str


class Bucket:
    def __init__(self):
        self.items = {}
        #: The milliseconds that keys have left.
        self.ttls = {}

    def get(self, key):
        return self.items.get(key)

    def set(self, key, value):
        self.ttls.pop(key, None)
        self.items[key] = value

    def delete(self, key):
        self.items.pop(key, None)

    def exists(self, key):
        return key in self.items


_buckets = {}


def open(identifier):
    host.record("open", identifier)
    return _buckets.setdefault(identifier, Bucket())
