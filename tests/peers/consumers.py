"""Consumers that Django Channels and Narrowboat run alike. Each class is a plugin of its own, and a route of a site."""

import asyncio
import json

from asgiref.sync import async_to_sync, sync_to_async
from channels.consumer import AsyncConsumer, SyncConsumer
from channels.db import database_sync_to_async
from channels.exceptions import AcceptConnection, DenyConnection, StopConsumer
from channels.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    WebsocketConsumer,
)
from channels.layers import get_channel_layer

CLIENTS = []


class Echo(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=text_data, bytes_data=bytes_data)


class AsyncEcho(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=text_data, bytes_data=bytes_data)


class Raw(SyncConsumer):
    def websocket_connect(self, message):
        self.send({"type": "websocket.accept"})

    def websocket_receive(self, message):
        text = message.get("text")
        if text == "close":
            self.send({"type": "websocket.close", "code": 4001, "reason": "asked"})
        else:
            self.send({"type": "websocket.send", "text": repr(sorted(key for key in message if message[key] is not None))})

    def websocket_disconnect(self, message):
        raise StopConsumer()


class AsyncRaw(AsyncConsumer):
    async def websocket_connect(self, message):
        await self.send({"type": "websocket.accept"})

    async def websocket_receive(self, message):
        text = message.get("text")
        if text == "close":
            await self.send({"type": "websocket.close", "code": 4001, "reason": "asked"})
        else:
            keys = sorted(key for key in message if message[key] is not None)
            await self.send({"type": "websocket.send", "text": repr(keys)})

    async def websocket_disconnect(self, message):
        raise StopConsumer()


class Json(JsonWebsocketConsumer):
    def receive_json(self, content):
        self.send_json({"got": content})


class AsyncJson(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content):
        await self.send_json({"got": content})


class Broadcast(WebsocketConsumer):
    """Clients in a list of the module."""

    def connect(self):
        CLIENTS.append(self)
        self.accept()

    def receive(self, text_data=None, bytes_data=None):
        for client in CLIENTS:
            client.send(text_data=text_data)

    def disconnect(self, code):
        CLIENTS.remove(self)


class Room(WebsocketConsumer):
    """A room that tells who leaves."""

    def connect(self):
        self.name = None
        self.group = "room_" + self.scope["url_route"]["kwargs"]["room"]
        async_to_sync(self.channel_layer.group_add)(self.group, self.channel_name)
        self.accept()

    def receive(self, text_data=None, bytes_data=None):
        command, _, text = text_data.partition(" ")
        if command == "name":
            self.name = text
        elif command == "leave":
            async_to_sync(self.channel_layer.group_discard)(self.group, self.channel_name)
        elif command == "say":
            event = {"type": "room.said", "text": f"{self.name}: {text}"}
            async_to_sync(self.channel_layer.group_send)(self.group, event)
        else:
            self.send(text_data=text_data)

    def room_said(self, event):
        self.send(text_data=event["text"])

    def disconnect(self, code):
        async_to_sync(self.channel_layer.group_discard)(self.group, self.channel_name)
        event = {"type": "room_said", "text": f"{self.name} left with {code}"}
        async_to_sync(self.channel_layer.group_send)(self.group, event)


class AsyncRoom(AsyncWebsocketConsumer):
    """The same with coroutines."""

    async def connect(self):
        self.name = None
        self.group = "async_room_" + self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        command, _, text = text_data.partition(" ")
        if command == "name":
            self.name = text
        elif command == "leave":
            await self.channel_layer.group_discard(self.group, self.channel_name)
        elif command == "say":
            event = {"type": "room.said", "text": f"{self.name}: {text}"}
            await self.channel_layer.group_send(self.group, event)
        else:
            await self.send(text_data=text_data)

    async def room_said(self, event):
        await self.send(text_data=event["text"])

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.group, self.channel_name)
        event = {"type": "room_said", "text": f"{self.name} left with {code}"}
        await self.channel_layer.group_send(self.group, event)


class Everyone(AsyncWebsocketConsumer):
    """Members of a group of the class."""

    groups = ["everyone"]

    async def receive(self, text_data=None, bytes_data=None):
        await get_channel_layer().group_send("everyone", {"type": "said", "text": text_data})

    async def said(self, event):
        await self.send(text_data=event["text"])


class Mirror(AsyncWebsocketConsumer):
    """Sends itself a message with values of all types."""

    async def receive(self, text_data=None, bytes_data=None):
        values = {
            "none": None, "yes": True, "no": False, "int": -5, "big": 1 << 40, "float": 0.5, "text": "ü",
            "bytes": b"\x00\xff", "list": [1, [2, None]], "dict": {"a": {"b": 1}},
        }  # fmt: skip
        await self.channel_layer.send(self.channel_name, {"type": "mirror.values", **values})

    async def mirror_values(self, event):
        await self.send(text_data=repr(event))


class Scope(WebsocketConsumer):
    """Answers with a part of the scope."""

    def receive(self, text_data=None, bytes_data=None):
        value = self.scope[text_data]
        if text_data == "headers":
            value = [bytes(field) for name, field in value if name == b"x-name"]
        if text_data == "url_route":
            value = value["kwargs"]
        self.send(text_data=repr(value))


class Decide(WebsocketConsumer):
    """Decides as the query says."""

    def connect(self):
        query = self.scope["query_string"].decode()
        if query == "deny":
            raise DenyConnection()
        if query == "accept":
            raise AcceptConnection()
        if query == "close":
            return self.close()
        if query == "later":
            self.accept()
            self.send(text_data="first")
            return self.close(4004, "full")
        if query == "subprotocol":
            offered = self.scope["subprotocols"]
            return self.accept(offered[-1], headers=[(b"x-offered", ",".join(offered).encode())])
        if query == "fail":
            raise LookupError("no such room")
        self.accept()

    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=text_data)


class AsyncDecide(AsyncWebsocketConsumer):
    """The same with coroutines, and after a while."""

    async def connect(self):
        query = self.scope["query_string"].decode()
        await asyncio.sleep(0.02)
        if query == "deny":
            raise DenyConnection()
        if query == "accept":
            raise AcceptConnection()
        if query == "close":
            return await self.close()
        if query == "later":
            await self.accept()
            await self.send(text_data="first")
            return await self.close(4004, "full")
        if query == "subprotocol":
            offered = self.scope["subprotocols"]
            return await self.accept(offered[-1], headers=[(b"x-offered", ",".join(offered).encode())])
        if query == "fail":
            raise LookupError("no such room")
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=text_data)


class Respond(AsyncWebsocketConsumer):
    """Responds to the handshake as a web page does."""

    async def connect(self):
        headers = [(b"content-type", b"application/json"), (b"x-reason", b"banned")]
        await self.base_send({"type": "websocket.http.response.start", "status": 451, "headers": headers})
        await self.base_send({"type": "websocket.http.response.body", "body": json.dumps({"error": "banned"}).encode()})


class Close(WebsocketConsumer):
    """Closes as the client says."""

    def receive(self, text_data=None, bytes_data=None):
        code, _, reason = text_data.partition(" ")
        if code == "stop":
            raise StopConsumer()
        if code == "with":
            return self.send(text_data="last", close=4006)
        self.close(int(code) if code else None, reason or None)


class Wait(AsyncWebsocketConsumer):
    """Waits in all ways."""

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=await getattr(self, text_data)())

    async def sleep(self):
        await asyncio.sleep(0.02)
        return "slept"

    async def gather(self):
        return repr(await asyncio.gather(self.double(3), self.double(1), self.double(2)))

    async def double(self, number):
        await asyncio.sleep(number / 100)
        return 2 * number

    async def wait_for(self):
        try:
            await asyncio.wait_for(asyncio.sleep(60), 0.02)
        except asyncio.TimeoutError:
            return "timed out"

    async def create_task(self):
        self.task = asyncio.create_task(self.tell())
        return "started"

    async def tell(self):
        await asyncio.sleep(0.02)
        await self.send(text_data="told")

    async def queue(self):
        queue = asyncio.Queue()
        task = asyncio.create_task(queue.get())
        await queue.put("item")
        return await task

    async def database(self):
        return await self.read()

    @database_sync_to_async
    def read(self):
        return "read"

    async def thread(self):
        return await sync_to_async(str.upper)("thread")

    async def slow(self):
        await asyncio.sleep(0.1)
        return "slow"

    async def fast(self):
        return "fast"


class Fail(WebsocketConsumer):
    """Fails if the client says so."""

    def receive(self, text_data=None, bytes_data=None):
        if text_data == "fail":
            raise LookupError("in receive")
        self.send(text_data=text_data)
