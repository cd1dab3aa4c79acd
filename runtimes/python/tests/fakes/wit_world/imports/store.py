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

    def get(self, key):
        return self.items.get(key)

    def set(self, key, value):
        self.items[key] = value

    def delete(self, key):
        self.items.pop(key, None)

    def exists(self, key):
        return key in self.items

    def list_keys(self, cursor):
        keys = sorted(self.items)
        start = int(cursor or 0)
        end = start + 2
        return KeyResponse(keys[start:end], str(end) if end < len(keys) else None)


_buckets = {}


def open(identifier):
    host.record("open", identifier)
    return _buckets.setdefault(identifier, Bucket())
