"""Frames on the wire: lengths, fragments, pings, and violations of RFC 6455."""

import os
import signal
import time

import pytest

from support import (
    BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, closure, frame,
)  # fmt: skip

# The limits of the tested host, in bytes.
MAX_FRAME = 64 * 1024
MAX_MESSAGE = 128 * 1024


@pytest.fixture(scope="module")
def host(serving):
    limits = {"max_message": MAX_MESSAGE, "max_frame": MAX_FRAME}
    with serving("echo", limits=limits) as host:
        yield host


@pytest.fixture
def raw(host):
    return host.raw("/echo/")


# Lengths: one below, at and above each change of the length's encoding.


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536])
def test_every_form_of_length_is_read_and_written(raw, size):
    payload = bytes(byte % 128 for byte in range(size))
    for opcode in (TEXT, BINARY):
        raw.send_frame(opcode, payload)
        assert raw.recv_frame() == (opcode, payload)


def test_a_frame_and_a_message_as_large_as_allowed_are_taken(raw):
    raw.send_frame(BINARY, b"a" * MAX_FRAME, fin=False)
    raw.send_frame(CONTINUATION, b"b" * MAX_FRAME)
    assert raw.recv_frame() == (BINARY, b"a" * MAX_FRAME + b"b" * MAX_FRAME)


def test_a_client_that_sends_a_byte_at_a_time_is_served(raw):
    for byte in frame(TEXT, "slowly, 慢慢地".encode()) + frame(BINARY, b"x" * 200):
        raw.send(bytes([byte]))
    assert raw.recv_frame() == (TEXT, "slowly, 慢慢地".encode())
    assert raw.recv_frame() == (BINARY, b"x" * 200)


def test_many_frames_in_one_packet_are_all_served(raw):
    raw.send(b"".join(frame(TEXT, b"%d" % number) for number in range(300)))
    assert [raw.recv_frame() for _ in range(300)] == [(TEXT, b"%d" % n) for n in range(300)]


# Fragments.


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("parts", [[b"one ", b"message"], [b"", b"a", b"", b"b", b""], [b"", b""]])
def test_fragments_become_one_message(raw, opcode, parts):
    first, *middle, last = parts
    raw.send_frame(opcode, first, fin=False)
    for part in middle:
        raw.send_frame(CONTINUATION, part, fin=False)
    raw.send_frame(CONTINUATION, last)
    assert raw.recv_frame() == (opcode, b"".join(parts))


def test_a_character_may_be_cut_by_fragments(raw):
    boat = "🚤".encode()
    raw.send_frame(TEXT, boat[:1], fin=False)
    raw.send_frame(CONTINUATION, boat[1:3], fin=False)
    raw.send_frame(CONTINUATION, boat[3:])
    assert raw.recv_frame() == (TEXT, boat)


def test_a_ping_between_fragments_is_answered_before_the_message(raw):
    raw.send_frame(TEXT, b"one ", fin=False)
    raw.send_frame(PING, b"between")
    raw.send_frame(CONTINUATION, b"message")
    assert raw.recv_frame() == (PONG, b"between")
    assert raw.recv_frame() == (TEXT, b"one message")


def test_a_close_between_fragments_ends_the_connection(raw):
    raw.send_frame(TEXT, b"never ", fin=False)
    raw.send(close_frame(4000))
    assert raw.ended() == (4000, "")


# Pings.


@pytest.mark.parametrize("payload", [b"", b"are you there", b"\xff" * 125])
def test_a_ping_is_answered_with_its_payload(raw, payload):
    raw.send_frame(PING, payload)
    assert raw.recv_frame() == (PONG, payload)


def test_a_pong_that_nobody_asked_for_is_ignored(raw):
    raw.send_frame(PONG, b"by the way")
    raw.send_frame(TEXT, b"served")
    assert raw.recv_frame() == (TEXT, b"served")


def test_a_ping_is_answered_while_the_guest_computes(serve):
    plugins = {"misbehave": {"isolation": "connection"}}
    host = serve(plugins=plugins, limits={"call_time": "10s"})
    # A long call makes the plugin's calls run on guest threads.
    assert host.connect("/misbehave/").ask("work 50000000") == "worked"
    raw = host.raw("/misbehave/")
    raw.send_frame(TEXT, b"work 100000000")
    raw.send_frame(PING, b"while it computes")
    assert raw.recv_frame() == (PONG, b"while it computes")
    assert raw.recv_frame() == (TEXT, b"worked")


def test_a_silent_client_is_pinged(serve):
    raw = serve("echo", limits={"ping_interval": "50ms"}).raw("/echo/")
    assert [raw.recv_frame()[0] for _ in range(3)] == [PING] * 3


def test_a_client_that_answers_pings_stays(serve):
    raw = serve("echo", limits={"ping_interval": "50ms", "idle_timeout": "3s"}).raw("/echo/")
    for _ in range(25):
        opcode, payload = raw.recv_frame()
        assert opcode == PING
        raw.send_frame(PONG, payload)
    raw.send_frame(TEXT, b"still here")
    answers = (frame for frame in iter(raw.recv_frame, None) if frame[0] != PING)
    assert next(answers) == (TEXT, b"still here")


def test_a_client_of_whom_nothing_is_heard_is_closed_with_1008(serve):
    raw = serve("echo", limits={"ping_interval": "50ms", "idle_timeout": "200ms"}).raw("/echo/")
    frames = raw.frames()
    assert {opcode for opcode, _ in frames[:-1]} == {PING}
    assert frames[-1][0] == CLOSE and closure(frames[-1][1])[0] == 1008


def test_a_client_that_takes_long_over_one_frame_is_not_idle(serve):
    raw = serve("echo", limits={"ping_interval": "100ms", "idle_timeout": "3s"}).raw("/echo/")
    # The client cannot reply to a ping in the middle of its frame.
    for byte in frame(TEXT, b"x" * 35):
        raw.send(bytes([byte]))
        time.sleep(0.1)
    answers = (frame for frame in iter(raw.recv_frame, None) if frame[0] != PING)
    assert next(answers) == (TEXT, b"x" * 35)


def test_a_host_that_was_held_up_does_not_take_it_for_its_clients_silence(serve):
    host = serve("echo", limits={"ping_interval": "100ms", "idle_timeout": "1s"})
    raw = host.raw("/echo/")
    os.kill(host.pid, signal.SIGSTOP)
    try:
        raw.send_frame(TEXT, b"while you were away")
        time.sleep(1.5)
    finally:
        os.kill(host.pid, signal.SIGCONT)
    answers = (frame for frame in iter(raw.recv_frame, None) if frame[0] != PING)
    assert next(answers) == (TEXT, b"while you were away")


# Violations.

NOT_UTF8 = {
    "a byte that is never there": b"ok \xff",
    "a lone continuation": b"\x80",
    "cut off": "🚤".encode()[:3],
    "overlong": b"\xc0\xaf",
    "a surrogate": b"\xed\xa0\x80",
    "above the last character": b"\xf4\x90\x80\x80",
}


@pytest.mark.parametrize("payload", NOT_UTF8.values(), ids=NOT_UTF8)
def test_a_text_that_is_not_utf8_is_closed_with_1007(raw, payload):
    raw.send_frame(TEXT, payload)
    assert raw.ended()[0] == 1007


def test_fragments_that_are_not_utf8_together_are_closed_with_1007(raw):
    raw.send_frame(TEXT, b"\xf0\x9f", fin=False)
    raw.send_frame(CONTINUATION, b"no boat")
    assert raw.ended()[0] == 1007


def test_binary_need_not_be_utf8(raw):
    raw.send_frame(BINARY, b"\xff")
    assert raw.recv_frame() == (BINARY, b"\xff")


def test_a_frame_over_the_bound_is_closed_with_1009(raw):
    raw.send_frame(BINARY, b"x" * (MAX_FRAME + 1))
    assert raw.ended()[0] == 1009


def test_a_frame_that_claims_too_much_is_closed_with_1009_before_it_comes(raw):
    raw.send_frame(BINARY, b"", length=2**40)
    assert raw.ended()[0] == 1009


def test_fragments_over_the_message_bound_are_closed_with_1009(raw):
    raw.send_frame(BINARY, b"x" * MAX_FRAME, fin=False)
    raw.send_frame(CONTINUATION, b"x" * MAX_FRAME, fin=False)
    raw.send_frame(CONTINUATION, b"x")
    assert raw.ended()[0] == 1009


PROTOCOL_ERRORS = {
    "unmasked": frame(TEXT, b"bare", masked=False),
    "unmasked control": frame(PING, masked=False),
    **{f"reserved bit {bit}": frame(TEXT, b"x", reserved=bit) for bit in (1, 2, 4)},
    "reserved bit of a control": frame(PING, reserved=4),
    **{f"opcode {opcode}": frame(opcode, b"x") for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "fragmented ping": frame(PING, b"half", fin=False),
    "fragmented close": frame(CLOSE, b"", fin=False),
    "long ping": frame(PING, b"x" * 126),
    "continuation of nothing": frame(CONTINUATION, b"x"),
    "text within fragments": frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
    "close of one byte": frame(CLOSE, b"\x03"),
    **{
        f"close code {code}": close_frame(code)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1100, 2000, 2999, 5000, 65535)
    },
}


@pytest.mark.parametrize("data", PROTOCOL_ERRORS.values(), ids=PROTOCOL_ERRORS)
def test_a_violation_of_the_protocol_closes_with_1002(raw, data):
    raw.send(data)
    assert raw.ended()[0] == 1002


def test_a_close_reason_that_is_not_utf8_is_refused(raw):
    raw.send(close_frame(1000, b"\xff\xfe"))
    assert raw.ended()[0] in (1002, 1007)


def test_a_length_with_its_highest_bit_set_is_refused(raw):
    raw.send_frame(BINARY, b"", length=2**63)
    assert raw.ended()[0] in (1002, 1009)


def test_a_violation_by_one_client_does_not_affect_others(host):
    other = host.connect("/echo/")
    broken = host.raw("/echo/")
    broken.send(b"\xff" * 100)
    assert broken.ended()[0] == 1002
    assert other.ask("served") == "served"
