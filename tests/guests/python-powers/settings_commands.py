"""The commands of the configuration."""

from narrowboat import config


async def get(consumer, key, _):
    return f"= {config[key]}" if key in config else "none"


async def list_keys(consumer, *_):
    return " ".join(config)


async def number(consumer, key, _):
    try:
        number = config.parse(key, int)
    except ValueError as error:
        return f"error: {error}"
    return "none" if number is None else str(number + 1)


COMMANDS = {"config": get, "configs": list_keys, "number": number}
