"""The decision about a handshake."""

import pytest
from instance import Failed, start


def consumer(body, base="WebsocketConsumer"):
    lines = "\n".join("        " + line for line in body.splitlines())
    prefix = "async " if base.startswith("Async") else ""
    return (
        "import asyncio\nfrom channels.exceptions import *\nfrom channels.generic.websocket import *\n"
        f"from narrowboat import Rejected\nclass Chat({base}):\n    {prefix}def connect(self):\n{lines}\n"
    )


def refusal(source):
    with pytest.raises(Failed) as failed:
        start(source).connect()
    return failed.value.args[0]


def test_accept_takes_a_subprotocol_and_headers():
    client = start(consumer('self.accept("chat", [("X-A", "1"), (b"x-b", b"2")])')).connect()
    acceptance = client.decision.value
    assert acceptance.subprotocol == "chat"
    assert acceptance.headers == [("x-a", b"1"), ("x-b", b"2")]


@pytest.mark.parametrize("body", ["self.close()", "raise DenyConnection()", "self.close(4001)", "raise StopConsumer()"])
def test_a_handshake_that_is_not_accepted_gets_403(body):
    refused = refusal(consumer(body))
    assert type(refused).__name__ == "Refusal_Rejection"
    assert refused.value.status == 403


def test_acceptconnection_accepts():
    assert start(consumer("raise AcceptConnection()")).connect().decision is not None


def test_an_exception_in_connect_is_the_fault_of_the_plugin():
    refused = refusal(consumer("1 / 0"))
    assert type(refused).__name__ == "Refusal_Plugin"
    assert refused.value == "ZeroDivisionError: division by zero (consumers.py:7 in connect)"


def test_an_exception_after_accept_refuses_the_handshake():
    assert type(refusal(consumer("self.accept()\n1 / 0"))).__name__ == "Refusal_Plugin"


def test_a_response_replaces_the_upgrade():
    body = """
        async def connect(self):
            send = self.base_send
            await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-a", b"1")]})
            await send({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
            await send({"type": "websocket.http.response.body", "body": b"are you?"})
    """
    source = "from channels.generic.websocket import AsyncWebsocketConsumer\nclass C(AsyncWebsocketConsumer):" + body
    rejection = refusal(source).value
    assert (rejection.status, rejection.headers, rejection.body) == (401, [("x-a", b"1")], b"who are you?")


def test_rejected_has_a_status_a_body_and_headers():
    rejection = refusal(consumer('raise Rejected(404, "which room?", {"X-A": "1"})')).value
    assert (rejection.status, rejection.headers, rejection.body) == (404, [("x-a", b"1")], b"which room?")


def test_a_status_that_does_not_reject_is_an_error():
    assert "has to be 400 to 599, not 302" in refusal(consumer("raise Rejected(302)")).value


def test_frames_and_a_close_may_follow_accept_in_connect():
    instance = start(consumer('self.accept()\nself.send("full")\nself.close(4004, "full")'))
    client = instance.connect()
    assert instance.take_effects() == [("send", client.name, "full"), ("close", client.name, 4004, "full")]


def test_a_frame_before_accept_is_an_error():
    assert "has not been accepted" in refusal(consumer('self.send("x")')).value


def test_a_second_accept_is_an_error():
    assert "decided already" in refusal(consumer("self.accept()\nself.accept()")).value


def test_connect_may_wait_before_it_accepts():
    instance = start(consumer("await asyncio.sleep(1)\nawait self.accept('late')", "AsyncWebsocketConsumer"))
    client = instance.connect()
    assert type(client.decision).__name__ == "Decision_Later"
    assert instance.take_effects() == [("set_timer", client.name, 1, 1000)]
    (effect,) = client.fire(1)
    assert effect[0] == "accept" and effect[2].subprotocol == "late"


def test_connect_may_wait_before_it_rejects():
    instance = start(consumer("await asyncio.sleep(1)\nawait self.close()", "AsyncWebsocketConsumer"))
    client = instance.connect()
    (effect,) = client.fire(1)[-1:]
    assert effect[0] == "reject" and effect[2].status == 403


def test_a_consumer_that_fails_before_it_accepts_rejects_with_500():
    source = consumer("await asyncio.sleep(1)\n1 / 0", "AsyncWebsocketConsumer")
    client = start(source).connect()
    with pytest.raises(Failed, match="ZeroDivisionError"):
        client.fire(1)


def test_a_message_may_accept_a_handshake_that_waits():
    instance = start(
        """
        from channels.generic.websocket import WebsocketConsumer

        class Lobby(WebsocketConsumer):
            def connect(self):
                pass

            def lobby_admit(self, event):
                self.accept()
                self.send("welcome")
        """
    )
    client = instance.connect()
    assert type(client.decision).__name__ == "Decision_Later"
    assert any("the client waits" in text for _, _, text in instance.host.log)
    assert client.handle_message({"type": "lobby.admit"}) == "HANDLED"
    assert [effect[0] for effect in instance.take_effects()] == ["accept", "send"]


def test_groups_are_joined_before_connect():
    instance = start(
        """
        from channels.generic.websocket import AsyncWebsocketConsumer

        class Member(AsyncWebsocketConsumer):
            groups = ["a", "b"]

            async def connect(self):
                await self.channel_layer.group_add("c", self.channel_name)
                await self.accept()
        """
    )
    instance.connect()
    assert [effect[1] for effect in instance.take_effects()] == ["a", "b", "c"]


def test_a_consumer_whose_init_fails_is_the_fault_of_the_plugin():
    source = "from channels.generic.websocket import *\nclass C(WebsocketConsumer):\n    def __init__(self):\n        1 / 0\n"
    assert "(consumers.py:4 in __init__)" in refusal(source).value


def test_the_tasks_of_a_rejected_consumer_are_cancelled():
    body = """self.task = asyncio.create_task(asyncio.sleep(60))
await asyncio.sleep(1)
await self.close()"""
    instance = start(consumer(body, "AsyncWebsocketConsumer"))
    client = instance.connect()
    timers = {effect[3]: effect[2] for effect in instance.take_effects()}
    effects = client.fire(timers[1000])
    assert [effect[0] for effect in effects] == ["reject", "clear_timer"]
    assert client.fire(timers[60000]) == []


def test_what_a_failed_handler_printed_comes_before_its_traceback():
    instance = start(consumer("print('a', end='')\n1 / 0"))
    with pytest.raises(Failed):
        instance.connect()
    assert [context for _, context, _ in instance.host.log] == ["print", "traceback"]


@pytest.mark.parametrize(
    "raised",
    [
        'keyvalue.Unavailable("away")',
        'LayerUnavailable("away")',
        'ChannelFull("full")',
        'http.RequestTimedOut("late")',
        'http.HttpError("ConnectionRefused")',
        'ValueError("no settings") from keyvalue.Unavailable("away")',
    ],
)
def test_an_error_of_another_server_in_connect_is_answered_503(raised):
    refused = refusal("from narrowboat import ClientError, LayerUnavailable, http, keyvalue\n" + consumer(f"raise {raised}"))
    assert type(refused).__name__ == "Refusal_Rejection"
    assert (refused.value.status, refused.value.body) == (503, b"not available now\n")


@pytest.mark.parametrize("raised", ['keyvalue.KeyValueError("the key is empty")', 'http.InvalidRequest("no URL")'])
def test_an_error_of_an_operation_that_is_not_valid_is_the_fault_of_the_plugin(raised):
    refused = refusal("from narrowboat import ClientError, LayerUnavailable, http, keyvalue\n" + consumer(f"raise {raised}"))
    assert type(refused).__name__ == "Refusal_Plugin"


def test_an_error_that_blames_the_client_does_so_whatever_its_cause():
    refused = refusal("from narrowboat import ClientError, LayerUnavailable, http, keyvalue\n" + consumer('raise ClientError(4001) from keyvalue.Unavailable("away")'))
    assert refused.value.status == 400
