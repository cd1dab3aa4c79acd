"""Consumers of Django Channels run as they are."""

import pytest
from instance import Failed, start


def test_a_synchronous_consumer_echoes():
    instance = start(
        """
        from channels.generic.websocket import WebsocketConsumer

        class Echo(WebsocketConsumer):
            def receive(self, text_data=None, bytes_data=None):
                self.send(text_data=text_data, bytes_data=bytes_data)
        """
    )
    client = instance.connect()
    assert client.decision.value.subprotocol is None
    assert client.send("hi") == [("send", client.name, "hi")]
    assert client.send(b"\x00") == [("send", client.name, b"\x00")]


def test_an_asynchronous_consumer_echoes():
    instance = start(
        """
        from channels.generic.websocket import AsyncWebsocketConsumer

        class Echo(AsyncWebsocketConsumer):
            async def receive(self, text_data=None, bytes_data=None):
                await self.send(text_data=text_data)
        """
    )
    client = instance.connect()
    assert client.send("hi") == [("send", client.name, "hi")]
    assert client.send("") == [("send", client.name, "")]


def test_a_json_consumer_decodes_and_encodes():
    instance = start(
        """
        from channels.generic.websocket import JsonWebsocketConsumer

        class Adder(JsonWebsocketConsumer):
            def receive_json(self, content, **kwargs):
                self.send_json({"sum": sum(content)})
        """
    )
    assert instance.connect().send("[1, 2]") == [("send", "specific.a!1", '{"sum": 3}')]


def test_an_asynchronous_json_consumer_decodes_and_encodes():
    instance = start(
        """
        from channels.generic.websocket import AsyncJsonWebsocketConsumer

        class Adder(AsyncJsonWebsocketConsumer):
            async def receive_json(self, content, **kwargs):
                await self.send_json({"sum": sum(content)})
        """
    )
    assert instance.connect().send("[1, 2]") == [("send", "specific.a!1", '{"sum": 3}')]


@pytest.mark.parametrize("base", ["JsonWebsocketConsumer", "AsyncJsonWebsocketConsumer"])
@pytest.mark.parametrize("data, reason", [("{", "invalid JSON"), (b"x", "text expected")])
def test_a_client_that_sends_no_json_is_to_blame(base, data, reason):
    instance = start(f"from channels.generic.websocket import {base}\nclass Json({base}): pass\n")
    with pytest.raises(Failed) as failed:
        instance.connect().send(data)
    error = failed.value.args[0]
    assert type(error).__name__ == "Error_Client"
    assert (error.value.code, error.value.reason) == (1007, reason)


def test_a_raw_synchronous_consumer_gets_events_as_dictionaries():
    instance = start(
        """
        from channels.consumer import SyncConsumer
        from channels.exceptions import StopConsumer

        class Raw(SyncConsumer):
            def websocket_connect(self, event):
                self.send({"type": "websocket.accept"})

            def websocket_receive(self, event):
                self.send({"type": "websocket.send", "text": repr(sorted(event))})

            def websocket_disconnect(self, event):
                print(event["code"], event["reason"])
                raise StopConsumer()
        """
    )
    client = instance.connect()
    assert client.send("x") == [("send", client.name, "['text', 'type']")]
    client.disconnect(1001, "bye")


def test_a_raw_asynchronous_consumer_gets_events_as_dictionaries():
    instance = start(
        """
        from channels.consumer import AsyncConsumer

        class Raw(AsyncConsumer):
            async def websocket_connect(self, event):
                await self.send({"type": "websocket.accept"})

            async def websocket_receive(self, event):
                await self.send({"type": "websocket.send", "bytes": event["bytes"]})
        """
    )
    client = instance.connect()
    assert client.send(b"x") == [("send", client.name, b"x")]


def test_attributes_are_those_of_channels():
    instance = start(
        """
        from channels.generic.websocket import WebsocketConsumer

        class Attributes(WebsocketConsumer):
            def receive(self, text_data=None, bytes_data=None):
                self.base_send({"type": "websocket.send", "text": self.channel_name})
                self.send(text_data=str(self.channel_layer is not None) + self.scope["type"])
        """
    )
    assert [effect[2] for effect in instance.connect().send("x")] == ["specific.a!1", "Truewebsocket"]


def test_as_asgi_names_the_consumer_and_does_nothing():
    instance = start(
        """
        from channels.generic.websocket import WebsocketConsumer

        class Echo(WebsocketConsumer):
            pass

        application = Echo.as_asgi()
        assert application.consumer_class is Echo
        """
    )
    instance.connect()


def test_a_consumer_may_have_a_dispatch_of_its_own():
    instance = start(
        """
        from channels.generic.websocket import AsyncWebsocketConsumer

        class Echo(AsyncWebsocketConsumer):
            async def dispatch(self, message):
                self.last = message["type"]
                await super().dispatch(message)

            async def receive(self, text_data=None, bytes_data=None):
                await self.send(text_data=self.last)
        """
    )
    client = instance.connect()
    assert client.send("x") == [("send", client.name, "websocket.receive")]
    assert client.handle_message({"type": "no.such"}) == "UNKNOWN_TYPE"


def test_a_synchronous_consumer_may_have_a_dispatch_of_its_own():
    instance = start(
        """
        from channels.generic.websocket import WebsocketConsumer

        class Echo(WebsocketConsumer):
            async def dispatch(self, message):
                self.last = message["type"]
                await super().dispatch(message)

            def receive(self, text_data=None, bytes_data=None):
                self.send(text_data=self.last)
        """
    )
    client = instance.connect()
    assert client.send("x") == [("send", client.name, "websocket.receive")]


def test_send_without_data_is_an_error():
    instance = start(
        """
        from channels.generic.websocket import WebsocketConsumer

        class Bad(WebsocketConsumer):
            def receive(self, text_data=None, bytes_data=None):
                self.send()
        """
    )
    with pytest.raises(Failed, match="You must pass one of bytes_data or text_data"):
        instance.connect().send("x")


@pytest.mark.parametrize(
    "call, text", [("text_data=1", "must be str, not int"), ("bytes_data='x'", "must be bytes, not str")]
)
def test_data_of_the_wrong_type_is_an_error(call, text):
    instance = start(
        f"""
from channels.generic.websocket import WebsocketConsumer

class Bad(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send({call})
"""
    )
    with pytest.raises(Failed, match=text):
        instance.connect().send("x")


def test_a_frame_for_a_client_that_has_left_is_ignored():
    instance = start(ECHO)
    client = instance.connect()
    instance.host.errors["send"] = _error(instance, "Closed")
    assert client.send("x") == []


def test_a_client_that_does_not_read_is_backpressure():
    instance = start(ECHO)
    client = instance.connect()
    instance.host.errors["send"] = _error(instance, "Backpressure")
    with pytest.raises(Failed, match="Backpressure: the client does not read"):
        client.send("x")


def test_an_exception_is_the_fault_of_the_plugin_and_names_its_line():
    instance = start(
        """
        from channels.generic.websocket import WebsocketConsumer

        class Bad(WebsocketConsumer):
            def receive(self, text_data=None, bytes_data=None):
                {}["missing"]
        """
    )
    with pytest.raises(Failed) as failed:
        instance.connect().send("x")
    error = failed.value.args[0]
    assert type(error).__name__ == "Error_Plugin"
    assert error.value == "KeyError: 'missing' (consumers.py:6 in receive)"


def test_a_plugin_can_blame_the_client():
    instance = start(
        """
        from channels.generic.websocket import WebsocketConsumer
        from narrowboat import ClientError

        class Strict(WebsocketConsumer):
            def receive(self, text_data=None, bytes_data=None):
                raise ClientError(4001, "too long")
        """
    )
    with pytest.raises(Failed) as failed:
        instance.connect().send("x")
    assert (failed.value.args[0].value.code, failed.value.args[0].value.reason) == (4001, "too long")


@pytest.mark.parametrize("exit", ["sys.exit()", "raise KeyboardInterrupt", "raise GeneratorExit"])
@pytest.mark.parametrize("kind", ["Sync", "Async"])
def test_an_exit_is_an_error_of_the_plugin(kind, exit):
    prefix = "" if kind == "Sync" else "async "
    instance = start(
        f"""
import sys
from channels.consumer import {kind}Consumer

class Exits({kind}Consumer):
    {prefix}def websocket_connect(self, event):
        self.base_send({{"type": "websocket.accept"}}) if self._sync else await_none()
    {prefix}def websocket_receive(self, event):
        {exit}

def await_none():
    pass
"""
    )
    client = instance.connect()
    with pytest.raises(Failed) as failed:
        client.send("x")
    assert type(failed.value.args[0]).__name__ == "Error_Plugin"


def test_a_consumer_that_raises_stopconsumer_gets_no_further_events():
    instance = start(
        """
        from channels.exceptions import StopConsumer
        from channels.generic.websocket import WebsocketConsumer

        class Once(WebsocketConsumer):
            def receive(self, text_data=None, bytes_data=None):
                print("received")
                raise StopConsumer()

            def disconnect(self, code):
                print("never")
        """
    )
    client = instance.connect()
    assert client.send("x") == [("close", client.name, 1000, "")]
    client.send("y")
    client.disconnect()
    assert len(instance.host.log) == 0 or all("never" not in entry[2] for entry in instance.host.log)


def test_disconnect_gets_the_code_and_leaves_the_groups():
    instance = start(
        """
        from channels.generic.websocket import WebsocketConsumer

        class Member(WebsocketConsumer):
            groups = ["news"]

            def disconnect(self, code):
                self.channel_layer  # is still there
                assert code == 1001
        """
    )
    client = instance.connect()
    assert instance.take_effects() == [("group_add", "news", client.name)]
    assert client.disconnect(1001) == [("group_discard", "news", client.name)]


def test_a_consumer_that_another_one_keeps_ignores_frames_after_its_end():
    instance = start(
        """
        from channels.generic.websocket import WebsocketConsumer

        CLIENTS = []

        class Keeper(WebsocketConsumer):
            def connect(self):
                CLIENTS.append(self)
                self.accept()

            def receive(self, text_data=None, bytes_data=None):
                for client in CLIENTS:
                    client.send(text_data=text_data)
        """
    )
    first, second = instance.connect("specific.a!1"), instance.connect("specific.a!2")
    first.disconnect()
    assert second.send("x") == [("send", "specific.a!2", "x")]


def test_close_takes_a_code_and_a_reason():
    instance = start(
        """
        from channels.generic.websocket import WebsocketConsumer

        class Closes(WebsocketConsumer):
            def receive(self, text_data=None, bytes_data=None):
                self.send("bye", close=True) if text_data == "plain" else self.close(4004, "gone")
        """
    )
    client = instance.connect()
    assert client.send("plain") == [("send", client.name, "bye"), ("close", client.name, 1000, "")]
    assert client.send("coded") == [("close", client.name, 4004, "gone")]


@pytest.mark.parametrize("code, reason, text", [(1001, "", "not with 1001"), (4000, "x" * 124, "at most 123 bytes")])
def test_a_close_that_the_protocol_forbids_is_an_error(code, reason, text):
    instance = start(
        f"""
from channels.generic.websocket import WebsocketConsumer

class Closes(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.close({code}, {reason!r})
"""
    )
    with pytest.raises(Failed, match=text):
        instance.connect().send("x")


ECHO = """
from channels.generic.websocket import WebsocketConsumer

class Echo(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=text_data)
"""


def _error(instance, name):
    with instance.entered():
        import sys

        return sys.modules["componentize_py_types"].Err(getattr(instance.wit, f"SendError_{name}")())
