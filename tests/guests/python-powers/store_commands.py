"""The commands of the key-value store."""

import math

from narrowboat import keyvalue


def command(operation):
    """Makes a command of an operation on a bucket. Its errors are replies."""

    async def run(consumer, bucket, rest):
        key, _, value = rest.partition(" ")
        try:
            return operation(keyvalue.open(bucket), key, value)
        except keyvalue.AccessDenied:
            return "error: denied"
        except keyvalue.KeyValueError as error:
            return "error: invalid name" if "name of a bucket" in str(error) else "error: other"

    return run


def get(bucket, key, _):
    value = bucket.get(key)
    return "none" if value is None else f"= {value.decode()}"


def set_value(bucket, key, value):
    bucket.set(key, value)
    return "ok"


def delete(bucket, key, _):
    bucket.delete(key)
    return "ok"


def fill(bucket, prefix, number):
    bucket.set_many({f"{prefix}{at}": "x" for at in range(int(number))})
    return "ok"


def count(bucket, prefix, limit):
    keys, cursor = set(), None
    while True:
        page = bucket.list_page(prefix, cursor, int(limit))
        keys.update(page.keys)
        cursor = page.cursor
        if cursor is None:
            return str(len(keys))


def get_many(bucket, key, others):
    keys = [key, *others.split()]
    values = bucket.get_many(keys)
    return ", ".join(f"= {values[key].decode()}" if key in values else "none" for key in keys)


def delete_many(bucket, key, others):
    bucket.delete_many([key, *others.split()])
    return "ok"


def swap(bucket, key, values):
    old, _, new = values.partition(" ")
    return str(bucket.compare_and_set(key, None if old == "-" else old, new)).lower()


def lend(bucket, key, milliseconds):
    bucket.set(key, "x", ttl=int(milliseconds) / 1000)
    return "ok"


def keep(bucket, key, milliseconds):
    return str(bucket.set_ttl(key, int(milliseconds) / 1000 if milliseconds else None)).lower()


def left(bucket, key, _):
    left = bucket.ttl(key)
    return "none" if left is None else "unlimited" if left == math.inf else str(round(left * 1000))


COMMANDS = {
    "get": command(get),
    "set": command(set_value),
    "delete": command(delete),
    "exists": command(lambda bucket, key, _: str(bucket.exists(key)).lower()),
    "add": command(lambda bucket, key, number: str(bucket.increment(key, int(number)))),
    "keys": command(lambda bucket, *_: " ".join(sorted(bucket.list_keys()))),
    "prefix": command(lambda bucket, prefix, _: " ".join(sorted(bucket.list_keys(prefix)))),
    "fill": command(fill),
    "count": command(count),
    "many": command(get_many),
    "forget": command(delete_many),
    "swap": command(swap),
    "lend": command(lend),
    "keep": command(keep),
    "left": command(left),
}
