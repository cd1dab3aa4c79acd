"""How connections end: the close codes, and the consumer's `disconnect`."""

import signal
import socket
import time

import pytest
from websockets.exceptions import ConnectionClosed

from support import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, closure, frame, with_manifest


@pytest.fixture(scope="module")
def host(serving):
    with serving("closer", "echo", "relay", limits={"close_timeout": "500ms"}) as host:
        yield host


# The client closes.


# IANA's registry of WebSocket close codes: the assigned codes that are not reserved, and the limits of the ranges.
REGISTERED = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]


@pytest.mark.parametrize("code", REGISTERED)
def test_the_clients_code_and_reason_come_back_and_reach_the_consumer(host, code):
    raw = host.raw("/closer/")
    raw.send(close_frame(code, b"bye %d" % code))
    assert raw.ended() == (code, f"bye {code}")
    host.logged(f'closed with {code} "bye {code}"')


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1999, 2000, 2999, 5000, 65535])
def test_rfc_6455_7_4_a_code_that_may_not_travel_is_a_protocol_error(host, code):
    raw = host.raw("/closer/")
    raw.send(close_frame(code, b"hidden"))
    assert raw.ended()[0] == 1002


def test_a_close_without_a_code_comes_back_and_is_1005_to_the_consumer(host):
    raw = host.raw("/closer/")
    raw.send_frame(CLOSE)
    assert raw.frames() == [(CLOSE, b"")]
    host.logged('closed with 1005 ""')


def test_the_clients_library_closes_cleanly(host):
    client = host.connect("/echo/")
    client.close(4321, "done")
    with pytest.raises(ConnectionClosed) as closed:
        client.recv()
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4321, "done")


# More than the socket takes at once, so that a part of the reply waits in the host.
REPLY_BYTES = 1 << 20


def test_messages_before_a_close_are_answered_before_it(host):
    raw = host.raw("/echo/", receive_buffer=4096)
    raw.send_frame(TEXT, b"x" * REPLY_BYTES)
    raw.socket.recv(1, socket.MSG_PEEK)
    raw.send(close_frame(1000))
    assert [(opcode, len(payload)) for opcode, payload in raw.frames()] == [(TEXT, REPLY_BYTES), (CLOSE, 2)]


def test_a_client_that_reads_late_gets_the_frames_before_the_answer_to_its_close(serve):
    host = serve(plugins={"misbehave": {}}, limits={"outbound_queue": "32 MiB", "close_timeout": "1m"}, log="debug")
    raw = host.raw("/misbehave/", receive_buffer=4096)
    # More than the socket buffers hold while the client does not read.
    raw.send_frame(TEXT, b"flood 1000 12000")
    raw.send(close_frame(4000))
    host.logged("connection ended .*close_frame=4000")
    *frames, last = raw.frames()
    assert (len(frames), last[0], closure(last[1])) == (1000, CLOSE, (4000, ""))


# A limit on bytes to clients. One frame uses it up for more than a minute.
IN_DEBT = {"guest": "echo", "limits": {"bytes_out": "1 KiB"}}


@pytest.fixture
def indebted(serve):
    """A host and a client. For a minute the plugin's rate limit allows no further frame."""
    host = serve(plugins={"echo": IN_DEBT}, limits={"close_timeout": "5s"})
    raw = host.raw("/echo/")
    raw.send_frame(TEXT, b"x" * 65_536)
    assert raw.recv_frame() == (TEXT, b"x" * 65_536)
    return host, raw


def test_rfc_6455_7_1_7_no_rate_withholds_the_close_after_a_protocol_error(indebted):
    _, raw = indebted
    raw.send_frame(TEXT, b"without a mask", masked=False)
    assert raw.ended()[0] == 1002


def test_rfc_6455_7_1_1_no_rate_withholds_the_close_of_a_host_that_stops(indebted):
    host, raw = indebted
    silent = host.raw("/echo/")
    host.send_signal(signal.SIGTERM)
    assert silent.ended()[0] == 1001
    assert raw.ended()[0] == 1001


def test_rfc_6455_5_5_1_no_rate_withholds_the_answer_to_a_close_nor_what_was_said_before(indebted):
    _, raw = indebted
    for text in [b"one", b"two"]:
        raw.send_frame(TEXT, text)
    raw.send(close_frame(4000, b"bye"))
    *frames, last = raw.frames()
    assert frames == [(TEXT, b"one"), (TEXT, b"two")]
    assert (last[0], closure(last[1])) == (CLOSE, (4000, "bye"))


def test_frames_over_a_rate_are_not_sent_at_the_end_either(serve):
    """Otherwise a plugin whose connections close for this reason could send any amount."""
    host = serve(plugins={"misbehave": {"limits": {"bytes_out": "1 KiB"}}}, limits={"outbound_queue": "64 KiB"})
    raw = host.raw("/misbehave/")
    raw.send_frame(TEXT, b"flood 100 1000")
    *frames, last = raw.frames()
    assert len(frames) < 10
    assert closure(last[1])[0] == 1013


def test_no_rate_of_what_clients_say_withholds_their_answer_to_a_close(serve):
    """The consumer's `disconnect` runs when the client replies, not after `close_timeout`."""
    host = serve(plugins={"closer": {"limits": {"bytes_in": "1 KiB"}}}, limits={"close_timeout": "1m"})
    raw = host.raw("/closer/")
    # The host reads no further message for more than a minute.
    raw.send_frame(BINARY, bytes(65_536))
    assert closure(raw.recv_frame()[1])[0] == 4000
    raw.send(close_frame(4000))
    assert raw.recv_frame() is None
    host.logged("closed with 4000")


@pytest.mark.parametrize("isolation", ["connection", "shared"])
@pytest.mark.parametrize("how", ["close", "fin"])
def test_a_busy_consumer_gets_the_messages_sent_before_the_end(serve, isolation, how):
    plugins = {"misbehave": {"isolation": isolation}}
    host = serve(plugins=plugins, limits={"call_time": "1m"})
    # A long call makes the plugin's calls run on guest threads.
    assert host.connect("/misbehave/").ask("work 50000000") == "worked"
    raw = host.raw("/misbehave/")
    raw.send_frame(TEXT, b"work-mutely 50000000")
    raw.send_frame(TEXT, b"log farewell")
    if how == "close":
        raw.send(close_frame(1000))
    raw.close_socket()
    host.logged("farewell")


def test_a_close_is_answered_while_the_consumer_is_busy(serve, component, tmp_path):
    slow = tmp_path / "slow.wasm"
    slow.write_bytes(with_manifest(component("misbehave").read_bytes(), 'name = "misbehave"\nexecution = "thread"'))
    host = serve(plugins={"misbehave": {"component": str(slow)}}, limits={"call_time": "5m"})
    raw = host.raw("/misbehave/")
    raw.send_frame(TEXT, b"loop")
    raw.send(close_frame(4000))
    opcode, payload = raw.recv_frame()
    assert (opcode, closure(payload)) == (CLOSE, (4000, ""))


def test_rfc_6455_7_1_7_a_client_that_broke_a_rule_is_told_while_the_shared_instance_is_busy(serve, component, tmp_path):
    slow = tmp_path / "slow.wasm"
    manifest = 'name = "misbehave"\nexecution = "thread"\nisolation = "shared"'
    slow.write_bytes(with_manifest(component("misbehave").read_bytes(), manifest))
    host = serve(plugins={"misbehave": {"component": str(slow)}}, limits={"call_time": "5m"})
    other, raw = host.raw("/misbehave/"), host.raw("/misbehave/")
    other.send_frame(TEXT, b"loop")
    other.send_frame(PING)
    assert other.recv_frame() == (PONG, b"")
    raw.send_frame(TEXT, b"\xff")
    opcode, payload = raw.recv_frame()
    assert (opcode, closure(payload)[0]) == (CLOSE, 1007)


def test_the_host_closes_the_stream_after_the_closing_handshake(host):
    raw = host.raw("/echo/")
    raw.send(close_frame(1000))
    raw.recv_frame()
    assert raw.recv_frame() is None


# The consumer closes.


def test_a_consumer_closes_with_4000_and_a_reason(host):
    client = host.connect("/closer/")
    client.send("anything")
    assert client.ended() == (4000, "one frame is enough")
    host.logged('closed with 4000 "one frame is enough"')


@pytest.mark.parametrize("code", [1000, 3000, 4999])
def test_a_consumer_may_close_with_1000_and_3000_to_4999(host, code):
    client = host.connect("/closer/")
    client.send(f"close {code} as you like")
    assert client.ended() == (code, "as you like")


@pytest.mark.parametrize("code", [0, 999, 1001, 1005, 1006, 1011, 1015, 2999, 5000, 65535])
def test_another_code_of_a_consumer_is_1011_and_a_fault(host, code):
    client = host.connect("/closer/")
    client.send(f"close {code} hidden")
    code_and_reason = client.ended()
    assert code_and_reason[0] == 1011 and "hidden" not in code_and_reason[1]
    host.logged(rf"WARN.*broke the contract: close\({code}, ")


@pytest.mark.parametrize(("length", "code"), [(123, 4000), (124, 1011)])
def test_a_reason_has_at_most_123_bytes(host, length, code):
    reason = "é" * (length // 2) + "x" * (length % 2)
    client = host.connect("/closer/")
    client.send(f"close 4000 {reason}")
    assert client.ended()[0] == code


def test_frames_sent_before_closing_arrive_and_later_ones_are_refused(host):
    client = host.connect("/closer/")
    client.send("last words")
    assert client.rest() == (["words"], (1000, ""))
    host.logged(r"a send after close: Err\(Closed\)")


def test_a_second_close_changes_nothing(host):
    client = host.connect("/closer/")
    client.send("twice")
    assert client.ended() == (4001, "first")


def test_the_answer_to_a_consumers_close_does_not_change_what_it_hears(host):
    raw = host.raw("/closer/")
    raw.send_frame(TEXT, b"close 4100 mine")
    assert closure(raw.recv_frame()[1]) == (4100, "mine")
    raw.send(close_frame(4200, b"yours"))
    assert raw.recv_frame() is None
    host.logged('closed with 4100 "mine"')
    # Digests and channels in the log may contain the digits.
    assert "with 4200" not in host.log()


@pytest.mark.parametrize(
    "crossing", [frame(3), frame(TEXT, b"unmasked", masked=False), frame(CONTINUATION)], ids=["opcode", "mask", "order"]
)
def test_a_malformed_frame_that_crosses_a_consumers_close_does_not_change_what_it_hears(serve, crossing):
    host = serve("closer")
    raw = host.raw("/closer/")
    raw.send_frame(TEXT, b"close 4000 mine")
    assert closure(raw.recv_frame()[1]) == (4000, "mine")
    raw.send(crossing)
    assert raw.recv_frame() is None
    host.logged('closed with 4000 "mine"')
    assert "with 1002" not in host.log()


def test_frames_that_cross_a_close_do_not_reach_the_consumer(serve):
    host = serve("closer")
    raw = host.raw("/closer/")
    raw.send(frame(TEXT, b"close 4101 first") + frame(TEXT, b"last crossing"))
    assert closure(raw.recv_frame()[1]) == (4101, "first")
    raw.send(frame(TEXT, b"last crossing") + close_frame(4101))
    assert raw.frames() == []
    host.logged('closed with 4101 "first"')
    assert "a send after close" not in host.log()


def test_a_peer_that_never_answers_a_close_is_dropped_after_the_close_timeout(host):
    raw = host.raw("/closer/")
    raw.send_frame(TEXT, b"close 4102 hello?")
    assert raw.ended() == (4102, "hello?")
    host.logged('closed with 4102 "hello\\?"')


def test_a_peer_that_goes_on_sending_after_a_close_is_dropped_all_the_same(host):
    raw = host.raw("/closer/")
    raw.send_frame(TEXT, b"close 4103 enough")
    assert closure(raw.recv_frame()[1]) == (4103, "enough")
    end = time.monotonic() + 10
    with pytest.raises(OSError):
        while time.monotonic() < end:
            raw.send_frame(TEXT, b"and another thing")
            time.sleep(0.01)


# Ends without a Close frame.


def ends(raw, how):
    """Ways to end a connection without a Close frame."""
    match how:
        case "fin":
            raw.close_socket()
        case "half":
            raw.socket.shutdown(socket.SHUT_WR)
        case "reset":
            raw.reset()


@pytest.mark.parametrize("how", ["fin", "half", "reset"])
def test_a_stream_that_ends_without_a_close_is_1006_to_the_consumer(serve, how):
    host = serve("closer")
    ends(host.raw("/closer/"), how)
    host.logged('closed with 1006 ""')


def test_a_half_closed_stream_is_ended_by_the_host_too(host):
    raw = host.raw("/echo/")
    raw.socket.shutdown(socket.SHUT_WR)
    assert raw.frames() in ([], [(CLOSE, b"")])


def test_a_stream_that_ends_within_a_frame_is_1006_to_the_consumer(serve):
    host = serve("closer")
    raw = host.raw("/closer/")
    raw.send(b"\x81\xfe\x01\x00")
    raw.close_socket()
    host.logged('closed with 1006 ""')


@pytest.mark.parametrize("how", ["fin", "reset"])
def test_a_group_goes_on_without_a_member_that_was_cut_off(host, how):
    member, witness = host.raw("/relay/"), host.connect("/relay/")
    ends(member, how)
    assert witness.ask("who is there?") == "who is there?"
