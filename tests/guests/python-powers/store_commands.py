"""The commands of the key-value store."""

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


COMMANDS = {
    "get": command(get),
    "set": command(set_value),
    "delete": command(delete),
    "exists": command(lambda bucket, key, _: str(bucket.exists(key)).lower()),
    "add": command(lambda bucket, key, number: str(bucket.increment(key, int(number)))),
    "keys": command(lambda bucket, *_: " ".join(sorted(bucket.list_keys()))),
}
