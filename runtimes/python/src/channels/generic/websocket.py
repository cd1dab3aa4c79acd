"""The consumers of WebSockets, with the order of calls of Django Channels."""

import json

from asgiref.sync import async_to_sync
from narrowboat_runtime.blame import blame_client

from ..consumer import AsyncConsumer, SyncConsumer
from ..exceptions import AcceptConnection, DenyConnection, InvalidChannelLayerError, StopConsumer

_NO_GROUPS = "BACKEND is unconfigured or doesn't support groups"
_NO_TEXT = "No text section for incoming WebSocket frame!"


class WebsocketConsumer(SyncConsumer):
    """A consumer of a WebSocket whose methods are ordinary functions."""

    groups = None

    def __init__(self, *args, **kwargs):
        if self.groups is None:
            self.groups = []

    def websocket_connect(self, message):
        """Joins `groups` and calls `connect`."""
        try:
            for group in self.groups:
                async_to_sync(self.channel_layer.group_add)(group, self.channel_name)
        except AttributeError:
            raise InvalidChannelLayerError(_NO_GROUPS)
        try:
            self.connect()
        except AcceptConnection:
            self.accept()
        except DenyConnection:
            self.close()

    def connect(self):
        """Decides about the handshake. By default it accepts."""
        self.accept()

    def accept(self, subprotocol=None, headers=None):
        """Accepts the handshake."""
        message = {"type": "websocket.accept", "subprotocol": subprotocol}
        if headers:
            message["headers"] = list(headers)
        super().send(message)

    def websocket_receive(self, message):
        """Calls `receive` with the text or the bytes of a frame."""
        if message.get("text") is not None:
            self.receive(text_data=message["text"])
        else:
            self.receive(bytes_data=message["bytes"])

    def receive(self, text_data=None, bytes_data=None):
        """Handles a frame."""

    def send(self, text_data=None, bytes_data=None, close=False):
        """Sends a frame, and then closes the connection if `close` is true or a close code."""
        if text_data is not None:
            super().send({"type": "websocket.send", "text": text_data})
        elif bytes_data is not None:
            super().send({"type": "websocket.send", "bytes": bytes_data})
        else:
            raise ValueError("You must pass one of bytes_data or text_data")
        if close:
            self.close(close)

    def close(self, code=None, reason=None):
        """Closes the connection. Before `accept` it rejects the handshake with 403."""
        message = {"type": "websocket.close"}
        if code is not None and code is not True:
            message["code"] = code
        if reason:
            message["reason"] = reason
        super().send(message)

    def websocket_disconnect(self, message):
        """Leaves `groups` and calls `disconnect`."""
        try:
            for group in self.groups:
                async_to_sync(self.channel_layer.group_discard)(group, self.channel_name)
        except AttributeError:
            raise InvalidChannelLayerError(_NO_GROUPS)
        self.disconnect(message["code"])
        raise StopConsumer()

    def disconnect(self, code):
        """Handles the end of the connection."""


class JsonWebsocketConsumer(WebsocketConsumer):
    """A WebsocketConsumer whose frames are JSON."""

    def receive(self, text_data=None, bytes_data=None, **kwargs):
        if text_data:
            with blame_client("invalid JSON"):
                content = self.decode_json(text_data)
            self.receive_json(content, **kwargs)
        else:
            with blame_client("text expected"):
                raise ValueError(_NO_TEXT)

    def receive_json(self, content, **kwargs):
        """Handles the content of a frame."""

    def send_json(self, content, close=False):
        """Sends the content as JSON."""
        super().send(text_data=self.encode_json(content), close=close)

    @classmethod
    def decode_json(cls, text_data):
        """Decodes a frame."""
        return json.loads(text_data)

    @classmethod
    def encode_json(cls, content):
        """Encodes a frame."""
        return json.dumps(content)


class AsyncWebsocketConsumer(AsyncConsumer):
    """A consumer of a WebSocket whose methods are coroutines."""

    groups = None

    def __init__(self, *args, **kwargs):
        if self.groups is None:
            self.groups = []

    async def websocket_connect(self, message):
        """Joins `groups` and calls `connect`."""
        try:
            for group in self.groups:
                await self.channel_layer.group_add(group, self.channel_name)
        except AttributeError:
            raise InvalidChannelLayerError(_NO_GROUPS)
        try:
            await self.connect()
        except AcceptConnection:
            await self.accept()
        except DenyConnection:
            await self.close()

    async def connect(self):
        """Decides about the handshake. By default it accepts."""
        await self.accept()

    async def accept(self, subprotocol=None, headers=None):
        """Accepts the handshake."""
        message = {"type": "websocket.accept", "subprotocol": subprotocol}
        if headers:
            message["headers"] = list(headers)
        await super().send(message)

    async def websocket_receive(self, message):
        """Calls `receive` with the text or the bytes of a frame."""
        if message.get("text") is not None:
            await self.receive(text_data=message["text"])
        else:
            await self.receive(bytes_data=message["bytes"])

    async def receive(self, text_data=None, bytes_data=None):
        """Handles a frame."""

    async def send(self, text_data=None, bytes_data=None, close=False):
        """Sends a frame, and then closes the connection if `close` is true or a close code."""
        if text_data is not None:
            await super().send({"type": "websocket.send", "text": text_data})
        elif bytes_data is not None:
            await super().send({"type": "websocket.send", "bytes": bytes_data})
        else:
            raise ValueError("You must pass one of bytes_data or text_data")
        if close:
            await self.close(close)

    async def close(self, code=None, reason=None):
        """Closes the connection. Before `accept` it rejects the handshake with 403."""
        message = {"type": "websocket.close"}
        if code is not None and code is not True:
            message["code"] = code
        if reason:
            message["reason"] = reason
        await super().send(message)

    async def websocket_disconnect(self, message):
        """Leaves `groups` and calls `disconnect`."""
        try:
            for group in self.groups:
                await self.channel_layer.group_discard(group, self.channel_name)
        except AttributeError:
            raise InvalidChannelLayerError(_NO_GROUPS)
        await self.disconnect(message["code"])
        raise StopConsumer()

    async def disconnect(self, code):
        """Handles the end of the connection."""


class AsyncJsonWebsocketConsumer(AsyncWebsocketConsumer):
    """An AsyncWebsocketConsumer whose frames are JSON."""

    async def receive(self, text_data=None, bytes_data=None, **kwargs):
        if text_data:
            with blame_client("invalid JSON"):
                content = await self.decode_json(text_data)
            await self.receive_json(content, **kwargs)
        else:
            with blame_client("text expected"):
                raise ValueError(_NO_TEXT)

    async def receive_json(self, content, **kwargs):
        """Handles the content of a frame."""

    async def send_json(self, content, close=False):
        """Sends the content as JSON."""
        await super().send(text_data=await self.encode_json(content), close=close)

    @classmethod
    async def decode_json(cls, text_data):
        """Decodes a frame."""
        return json.loads(text_data)

    @classmethod
    async def encode_json(cls, content):
        """Encodes a frame."""
        return json.dumps(content)
