"""The channel layer is that of Django Channels."""

import pytest
from instance import Failed, start

CHAT = """
from channels.generic.websocket import AsyncWebsocketConsumer

class Chat(AsyncWebsocketConsumer):
    async def connect(self):
        self.room = "chat_" + self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.room, self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send(self.room, {"type": "chat.message", "message": text_data})

    async def chat_message(self, event):
        await self.send(text_data=event["message"])
"""


def chat():
    instance = start(CHAT)
    client = instance.connect(url_route=[("room", "red")])
    instance.take_effects()
    return instance, client


def test_a_message_goes_to_the_group_and_to_the_handler_of_its_type():
    instance, client = chat()
    (effect,) = client.send("hi")
    assert effect[:2] == ("group_send", "chat_red")
    assert effect[2] == instance.pack({"type": "chat.message", "message": "hi"})
    assert client.handle_message({"type": "chat.message", "message": "hi"}) == "HANDLED"
    assert instance.take_effects() == [("send", client.name, "hi")]


def test_full_stops_and_underscores_in_a_type_are_the_same():
    instance, client = chat()
    assert client.handle_message({"type": "chat_message", "message": "hi"}) == "HANDLED"


def test_an_unknown_type_is_not_an_error():
    instance, client = chat()
    assert client.handle_message({"type": "chat.other"}) == "UNKNOWN_TYPE"


@pytest.mark.parametrize("message, text", [({}, "has no 'type'"), ({"type": "_private"}, "leading underscore")])
def test_a_message_with_a_wrong_type_is_an_error(message, text):
    instance, client = chat()
    with pytest.raises(Failed, match=text):
        client.handle_message(message)


def test_a_synchronous_consumer_uses_async_to_sync():
    instance = start(
        """
        from asgiref.sync import async_to_sync
        from channels.generic.websocket import WebsocketConsumer

        class Chat(WebsocketConsumer):
            def receive(self, text_data=None, bytes_data=None):
                async_to_sync(self.channel_layer.send)("worker", {"type": "job", "n": 1})
        """
    )
    (effect,) = instance.connect().send("x")
    assert effect[:2] == ("layer_send", "worker")


def test_get_channel_layer_returns_the_layer_of_consumers():
    instance = start(
        """
        from channels.generic.websocket import WebsocketConsumer
        from channels.layers import channel_layers, get_channel_layer

        class Chat(WebsocketConsumer):
            def receive(self, text_data=None, bytes_data=None):
                assert get_channel_layer() is self.channel_layer is channel_layers["default"]
                assert get_channel_layer("other") is None
        """
    )
    instance.connect().send("x")


def test_another_layer_is_not_configured():
    instance = start(
        """
        from channels.generic.websocket import AsyncWebsocketConsumer

        class Chat(AsyncWebsocketConsumer):
            channel_layer_alias = "other"
            groups = ["news"]
        """
    )
    with pytest.raises(Failed) as failed:
        instance.connect()
    assert "BACKEND is unconfigured or doesn't support groups" in failed.value.args[0].value


ERRORS = [
    ("ChannelFull", "full", "ChannelFull: full"),
    ("InvalidName", "Group name must be", "TypeError: Group name must be"),
    ("InvalidMessage", "no type", "ValueError: no type"),
    ("TooLarge", 10, "MessageTooLarge: the message is larger than 10 bytes"),
    ("Denied", "not requested", "PermissionError: not requested"),
    ("Unavailable", "Redis", "LayerUnavailable: Redis"),
    ("Other", "other", "RuntimeError: other"),
]


@pytest.mark.parametrize("case, value, text", ERRORS)
def test_an_error_of_the_host_is_an_exception_of_channels(case, value, text):
    instance, client = chat()
    with instance.entered():
        import sys

        layer = sys.modules["wit_world.imports.channel_layer"]
        error = sys.modules["componentize_py_types"].Err(getattr(layer, f"LayerError_{case}")(value))
    instance.host.errors["group_send"] = error
    with pytest.raises(Failed) as failed:
        client.send("hi")
    assert failed.value.args[0].value.startswith(text)


def test_a_frame_for_a_group_does_not_run_its_consumers():
    instance = start(
        """
        import narrowboat
        from channels.generic.websocket import AsyncWebsocketConsumer

        class Chat(AsyncWebsocketConsumer):
            async def receive(self, text_data=None, bytes_data=None):
                narrowboat.group_send_frame("a", text_data=text_data)
                await self.channel_layer.group_send_frame("b", bytes_data=b"x")
        """
    )
    assert instance.connect().send("hi") == [("group_send_frame", "a", "hi"), ("group_send_frame", "b", b"x")]


VALUES = [
    None, True, False, 0, 1, 127, 128, -1, -32, -33, 255, 256, 65535, 65536, 2**32, 2**63, -(2**63), 1.5, "", "a", "é" * 20,
    "x" * 300, "x" * 70000, b"", b"\x00" * 300, b"\x00" * 70000, [], [1, [2]], list(range(20)), {"a": {"b": [None]}},
    {str(n): n for n in range(20)}, {1: 2},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_messagepack_keeps_a_value(value):
    msgpack = pytest.importorskip("msgpack")
    codec = start(CHAT)._modules["narrowboat_runtime.message_pack"]
    packed = codec.packb({"type": "x", "value": value})
    assert msgpack.unpackb(packed, strict_map_key=False) == {"type": "x", "value": value}
    assert codec.unpackb(msgpack.packb({"value": value})) == {"value": value}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x81",
        b"\xa5ab",
        b"\xc1",
        b"\x01\x02",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 1000,
        b"\x81\x90\x01",
        b"\xa1\xff",
    ],
)
def test_damaged_messagepack_is_a_value_error(raw):
    codec = start(CHAT)._modules["narrowboat_runtime.message_pack"]
    with pytest.raises(ValueError):
        codec.unpackb(raw)


@pytest.mark.parametrize("value, error", [(object(), TypeError), (2**64, OverflowError)])
def test_a_value_that_messagepack_lacks_is_an_error(value, error):
    codec = start(CHAT)._modules["narrowboat_runtime.message_pack"]
    with pytest.raises(error, match="cannot be sent over a channel layer"):
        codec.packb({"value": value})
