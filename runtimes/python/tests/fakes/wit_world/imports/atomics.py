from dataclasses import dataclass

from componentize_py_types import Err

from .. import host


@dataclass
class CasError_StoreError:
    value: object


@dataclass
class CasError_CasFailed:
    value: object


class Cas:
    def __init__(self, bucket, key):
        self.bucket, self.key, self.value = bucket, key, bucket.get(key)

    @classmethod
    def new(cls, bucket, key):
        return cls(bucket, key)

    def current(self):
        return self.value


def swap(cas, value):
    if "swap" in host.errors:
        raise Err(CasError_StoreError(host.errors["swap"]))
    if cas.bucket.get(cas.key) != cas.value:
        raise Err(CasError_CasFailed(Cas(cas.bucket, cas.key)))
    cas.bucket.items[cas.key] = value


def increment(bucket, key, delta):
    total = int(bucket.items.get(key, b"0")) + delta
    bucket.items[key] = str(total).encode()
    return total
