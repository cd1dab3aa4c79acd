"""A Communicator is a client as in `channels.testing`."""

from scripted_host import ACCEPTED, ScriptedHost, body_of, failure_of, message_of, play

UNDECIDED = {"connection": 7, "state": "undecided", "channel": "specific.a!1"}
REJECTED = {"connection": 7, "state": "rejected", "status": 403, "headers": [["x-why", "no"]], "body": '{"a": 1}'}


def test_connect_sends_the_handshake_and_returns_the_subprotocol():
    host = play(
        """
client = Communicator(
    "/chat/red/?a=1", headers=[(b"X-A", "1")], subprotocols=["chat"], user={"id": 3}, url_route={"room": 5},
    client=("1.2.3.4", 5),
)
assert await client.connect() == (True, "chat")
assert client.channel_name == "specific.a!1" and client.subprotocol == "chat"
assert client.response.status == 101 and client.response.header("X-B") == "2"
""",
        connect=[{**ACCEPTED, "subprotocol": "chat", "headers": [["x-b", b"2"]]}],
    )
    assert host.requests_of("connect") == [
        {
            "path": "/chat/red/?a=1",
            "headers": [["x-a", b"1"]],
            "subprotocols": ["chat"],
            "user": '{"id": 3}',
            "url_route": {"room": "5"},
            "client": ["1.2.3.4", 5],
        }
    ]


def test_connect_returns_the_status_of_a_rejection():
    play(
        """
client = Communicator("/")
assert await client.connect() == (False, 403)
assert client.response.json() == {"a": 1} and client.response.header("x-why") == "no"
await client.disconnect()
""",
        connect=[REJECTED],
    )


def test_connect_goes_on_waiting_for_a_decision():
    play(
        """
client = Communicator("/")
with raises(TimeoutError, match="neither accepted nor rejected"):
    await client.connect()
assert client.channel_name == "specific.a!1"
assert await client.connect() == (True, None)
""",
        connect=[UNDECIDED],
        handshake=[UNDECIDED, ACCEPTED],
    )


def test_connect_with_a_time_out_advances_the_clock_until_the_decision():
    host = play(
        'assert await Communicator("/").connect(timeout=1) == (True, None)',
        connect=[UNDECIDED],
        handshake=[UNDECIDED, UNDECIDED, ACCEPTED],
    )
    assert [request["milliseconds"] for request in host.requests_of("advance")] == [20, 20]


def test_a_communicator_connects_once():
    message = message_of('client = Communicator("/")\nawait client.connect()\nawait client.connect()')
    assert message == "RuntimeError: <Communicator /> has connected before: make another Communicator"


def test_a_client_that_is_not_connected_sends_nothing():
    assert "is not connected: await its connect()" in message_of('await Communicator("/").send_to(text_data="a")')


def test_a_user_may_be_a_name():
    host = play('await Communicator("/", user="ann").connect()')
    assert host.requests_of("connect")[0]["user"] == '{"sub": "ann"}'


def test_a_block_connects_and_disconnects():
    host = play('async with Communicator("/") as client:\n    await client.send_to(text_data="a")')
    assert [request["op"] for request in host.requests] == ["connect", "send", "disconnect"]


def test_a_block_fails_for_a_rejection():
    message = message_of('async with Communicator("/"):\n    pass', connect=[REJECTED])
    assert message == 'the handshake of / was rejected with 403: {"a": 1}'


def test_frames_have_their_kind():
    host = play(
        """
client = Communicator("/")
await client.connect()
await client.send_to(text_data="a")
await client.send_to(bytes_data=b"b")
await client.send_json_to({"c": 1})
assert [await client.receive_from(), await client.receive_from(), await client.receive_json_from()] == ["x", b"y", [1]]
""",
        receive=[{"data": "x"}, {"data": b"y"}, {"data": "[1]"}],
    )
    assert [request["data"] for request in host.requests_of("send")] == ["a", b"b", '{"c": 1}']


def test_receive_from_without_a_frame_is_a_time_out_and_the_clock_stands_still():
    client = 'client = Communicator("/chat/")\nawait client.connect()\n'
    host = ScriptedHost(connect=[ACCEPTED])
    failure = failure_of(body_of(client + "await client.receive_from()"), host)
    assert failure.message == "TimeoutError: expected a frame: nothing has arrived from /chat/"
    assert failure.source == "await client.receive_from()"
    assert host.requests_of("advance") == []


def test_receive_from_with_a_time_out_advances_the_clock_until_a_frame_arrives():
    host = play(
        'client = Communicator("/")\nawait client.connect()\nassert await client.receive_from(timeout=5) == "a"',
        receive=[None, None, None, {"data": "a"}],
    )
    assert [request["milliseconds"] for request in host.requests_of("advance")] == [100, 100]


def test_receive_nothing_keeps_a_frame():
    play(
        """
client = Communicator("/")
await client.connect()
assert await client.receive_nothing()
assert not await client.receive_nothing()
assert await client.receive_from() == "a"
""",
        receive=[None, None, {"data": "a"}],
    )


def test_other_tasks_of_the_test_run_before_receive_from_gives_up():
    play(
        """
import asyncio
client = Communicator("/")
await client.connect()
frame, _ = await asyncio.gather(client.receive_from(), client.send_to(text_data="a"))
assert frame == "a"
""",
        receive=[None, {"data": "a"}],
    )


def test_receive_close_returns_the_code_and_the_reason():
    play(
        """
client = Communicator("/")
await client.connect()
assert await client.receive_close() == (4001, "late")
assert client.closed.code == 4001 and client.closed.reason == "late"
assert await client.receive_nothing()
await client.disconnect()
""",
        receive=[{"close": [4001, "late"]}],
    )


def test_a_close_in_place_of_a_frame_fails():
    message = message_of(
        'client = Communicator("/")\nawait client.connect()\nawait client.receive_from()',
        receive=[{"close": [4001, "late"]}],
    )
    assert message == "there is no frame: the connection closed with [4001, 'late']"


def test_a_frame_in_place_of_a_close_fails():
    message = message_of(
        'client = Communicator("/")\nawait client.connect()\nawait client.receive_close()', receive=[{"data": "a"}]
    )
    assert message == "expected a close, got the frame 'a'"


def test_frames_of_the_consumers_disconnect_can_be_received():
    play(
        """
client = Communicator("/")
await client.connect()
await client.disconnect(4001, "bye")
assert await client.receive_from() == "last"
assert await client.receive_nothing()
assert await client.receive_close() == (4001, "bye")
""",
        receive=[{"data": "last"}, {"close": [4001, "bye"]}],
    )


def test_abort_ends_the_connection_without_a_close_frame():
    host = play('client = Communicator("/")\nawait client.connect()\nawait client.abort()\nawait client.disconnect()')
    assert host.requests_of("abort") == [{"connection": 7}] and host.requests_of("disconnect") == []


def test_the_text_of_the_host_is_an_exception():
    message = message_of(
        'client = Communicator("/")\nawait client.connect()\nawait client.send_to(text_data="a")',
        send=[LookupError("the connection is closed")],
    )
    assert message == "HostError: the connection is closed"


def test_a_test_of_channels_runs():
    host = play(
        """
client = WebsocketCommunicator(object(), "/chat/red/?a=1", subprotocols=["chat"])
assert client.scope["path"] == "/chat/red/" and client.scope["query_string"] == b"a=1"
client.scope["url_route"] = {"kwargs": {"room": "red"}}
client.scope["user"] = {"id": 3}
connected, subprotocol = await client.connect()
assert connected and subprotocol is None
assert await client.receive_output() == {"type": "websocket.send", "text": "a"}
assert await client.receive_nothing() is False
assert await client.receive_output() == {"type": "websocket.close", "code": 4001, "reason": ""}
await client.wait()
await client.disconnect()
""",
        receive=[{"data": "a"}, {"close": [4001, ""]}],
    )
    (handshake,) = host.requests_of("connect")
    assert (handshake["url_route"], handshake["user"]) == ({"room": "red"}, '{"id": 3}')
    assert handshake["subprotocols"] == ["chat"]


def test_time_outs_of_channels_advance_the_clock():
    host = ScriptedHost(connect=[ACCEPTED])
    statements = 'client = WebsocketCommunicator(None, "/")\nawait client.connect()\n'
    failure = failure_of(body_of(statements + "await client.receive_from()"), host)
    assert failure.message.startswith("TimeoutError: ")
    assert sum(request["milliseconds"] for request in host.requests_of("advance")) == 1000
