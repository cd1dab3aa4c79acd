from dataclasses import dataclass

from .wasi_keyvalue_store import KeyResponse


@dataclass
class TimeToLive_Missing:
    pass


@dataclass
class TimeToLive_Unlimited:
    pass


@dataclass
class TimeToLive_Remaining:
    value: int


def set_with_ttl(bucket, key, value, ttl_ms):
    bucket.set(key, value)
    bucket.ttls[key] = ttl_ms


def set_ttl(bucket, key, ttl_ms):
    bucket.ttls[key] = ttl_ms
    return bucket.exists(key)


def ttl(bucket, key):
    if not bucket.exists(key):
        return TimeToLive_Missing()
    left = bucket.ttls.get(key)
    return TimeToLive_Unlimited() if left is None else TimeToLive_Remaining(left)


def list_by_prefix(bucket, prefix, cursor, limit):
    keys = sorted(key for key in bucket.items if key.startswith(prefix))
    start = int(cursor or 0)
    # Pages are short, so that there are several.
    end = start + min(limit, 2)
    return KeyResponse(keys[start:end], str(end) if end < len(keys) else None)
