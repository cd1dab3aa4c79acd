"""The consumer of `tests/guests/powers` in Python: the commands, the replies and the query strings are the same."""

import asyncio
import json
import logging
import random
import time
from urllib.parse import parse_qs

from channels.generic.websocket import AsyncWebsocketConsumer
from narrowboat import ClientError, Rejected

import layer_commands
import network_commands
import recipes
import settings_commands
import store_commands

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}

MODULES = (layer_commands, store_commands, network_commands, recipes, settings_commands)

log = logging.getLogger("powers")


class Powers(AsyncWebsocketConsumer):
    """Runs the command in each text."""

    def __init__(self):
        super().__init__()
        self.timers = []
        self.config_changes = 0

    async def connect(self):
        query = {name: values[0] for name, values in parse_qs(self.scope["query_string"].decode()).items()}
        if "later" in query:
            await asyncio.sleep(int(query["later"]) / 1000)
        if "reject" in query:
            raise Rejected(int(query["reject"]), b"rejected", [("x-powers", "rejected")])
        await self.accept(query.get("subprotocol"), [(b"x-powers", b"accepted")])
        if "farewell" in query:
            await self.send("farewell")
            await self.close(int(query["farewell"]), "goodbye")

    async def receive(self, text_data=None, bytes_data=None):
        if text_data is None:
            await self.send(bytes_data=bytes_data[::-1])
            return
        command, _, rest = text_data.partition(" ")
        for commands in (COMMANDS, *(module.COMMANDS for module in MODULES)):
            if command in commands:
                reply = await commands[command](self, *rest.partition(" ")[::2])
                if reply is not None:
                    await self.send(reply)
                return
        raise ValueError(f"no command {command!r}")

    async def powers_text(self, event):
        await self.send(f"message: {event['text']}")

    async def config_changed(self, event):
        self.config_changes += 1

    async def disconnect(self, code):
        log.info("disconnected with %s", code)


async def scope(consumer, *_):
    scope = consumer.scope
    headers = {name: value.decode() for name, value in scope["headers"]}
    described = {
        "path": scope["path"],
        "query": scope["query_string"].decode(),
        "room": scope["url_route"]["kwargs"].get("room"),
        "header": headers.get(b"x-test"),
        "client": scope["client"][0],
        "subprotocols": scope["subprotocols"],
        "user": scope["user"].claims if scope["user"].is_authenticated else None,
    }
    return json.dumps(described)


async def random_number(consumer, *_):
    return str(random.getrandbits(64))


async def read_time(consumer, *_):
    return str(int(time.time() * 1000))


async def set_timer(consumer, milliseconds, text):
    consumer.timers.append(asyncio.create_task(fire(consumer, int(milliseconds) / 1000, text)))
    return "ok"


async def fire(consumer, delay, text):
    await asyncio.sleep(delay)
    await consumer.send(f"fired: {text}")


async def clear_timer(consumer, *_):
    consumer.timers.pop().cancel()
    return "ok"


async def told(consumer, *_):
    return str(consumer.config_changes)


async def write_log(consumer, level, text):
    log.log(LEVELS[level], "%s", text)
    return "ok"


async def close(consumer, code, reason):
    await consumer.close(int(code), reason)


async def blame(consumer, code, reason):
    raise ClientError(int(code), reason)


async def fail(consumer, *words):
    raise RuntimeError(" ".join(words))


COMMANDS = {
    "scope": scope,
    "random": random_number,
    "time": read_time,
    "timer": set_timer,
    "clear": clear_timer,
    "told": told,
    "log": write_log,
    "close": close,
    "blame": blame,
    "fail": fail,
}
