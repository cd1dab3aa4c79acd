"""Clients that do not read, or send too fast. Other clients are not affected, and memory stays bounded."""

import re

import pytest

from admin import ADMIN, Admin
from support import CLOSE, TEXT, close_frame, closure, eventually

MIB = 1024 * 1024

# The size of a flood: more than the queues and the socket buffers of the system hold.
FRAME = "x" * 30_000
FLOODED = (TEXT, FRAME.encode())
FLOOD = 1_000


def stalled_member(host, path="/commander/", group="flooded"):
    """Connects a member of a group that stops reading."""
    member = host.raw(path, receive_buffer=4096)
    member.send_frame(TEXT, f"add {group}".encode())
    assert member.recv_frame() == (TEXT, b"ok")
    return member


def witness(host, path="/commander/", group="flooded"):
    member = host.connect(path)
    assert member.ask(f"add {group}") == "ok"
    return member


def flood(host, reader, count=FLOOD):
    """Floods the group as fast as `reader` reads."""
    sender = host.connect("/commander/")
    for _ in range(count):
        assert sender.ask(f"frame flooded {FRAME}") == "ok"
        assert reader.recv() == FRAME


def counted(host, figure, plugin="commander"):
    """A metric of the plugin that floods."""
    text = Admin(host).ask("/metrics").body.decode()
    return float(re.search(rf'^narrowboat_{figure}_total{{tenant="default",plugin="{plugin}"}} (\S+)$', text, re.M)[1])


@pytest.fixture
def refusing(serve):
    return serve(plugins={"commander": {"overflow": "refuse"}})


def test_others_are_served_beside_a_stalled_reader_and_memory_is_bounded(refusing, figure):
    reader = witness(refusing)
    before = refusing.rss()
    stalled = stalled_member(refusing)
    flood(refusing, reader)
    growth = (refusing.peak_rss() - before) / MIB
    size = len(FRAME) * FLOOD / MIB
    figure(f"resident memory for one stalled reader in {size:.0f} MiB of flood", f"{growth:.1f} MiB")
    assert growth < 8
    stalled.send(close_frame(1000))
    assert stalled.frames().count(FLOODED) < FLOOD


def test_memory_is_bounded_for_many_stalled_readers(refusing, figure):
    reader = witness(refusing)
    stalled = [stalled_member(refusing) for _ in range(50)]
    before = refusing.rss()
    flood(refusing, reader, 400)
    growth = (refusing.peak_rss() - before) / MIB
    figure("resident memory for 50 stalled readers in the same flood", f"{growth:.1f} MiB")
    assert growth < 50 * 2
    assert len(stalled) == 50


def test_a_stalled_readers_own_events_still_run(refusing):
    reader, stalled = witness(refusing), stalled_member(refusing)
    flood(refusing, reader, 400)
    stalled.send_frame(TEXT, b"group-send flooded I can still talk")
    assert reader.recv() == "message: I can still talk"


def test_a_stalled_readers_timers_still_fire(refusing):
    stalled = stalled_member(refusing)
    flood(refusing, witness(refusing), 400)
    stalled.send_frame(TEXT, b"timer 1")
    others = (frame for frame in iter(stalled.recv_frame, None) if frame != FLOODED)
    assert [next(others), next(others)] == [(TEXT, b"ok"), (TEXT, b"fired")]


def test_a_stalled_readers_close_is_still_read(refusing):
    stalled = stalled_member(refusing)
    flood(refusing, witness(refusing), 400)
    stalled.send(close_frame(4055))
    refusing.logged("ended with 4055")


def test_a_stalled_reader_of_whom_nothing_is_heard_is_dropped(serve):
    host = serve(
        plugins={"commander": {"overflow": "refuse"}},
        limits={"ping_interval": "100ms", "idle_timeout": "500ms", "close_timeout": "500ms"},
        log="debug",
    )
    stalled = stalled_member(host)
    flood(host, witness(host), 400)
    host.logged("ended with 1008")
    assert stalled.frames()[-1] != (CLOSE, b"")


def test_the_policy_close_ends_a_stalled_reader_with_1013(serve):
    host = serve("commander", limits={"outbound_queue": "256 KiB"})
    stalled = stalled_member(host)
    flood(host, witness(host))
    opcode, payload = next(frame for frame in iter(stalled.recv_frame, None) if frame != FLOODED)
    assert (opcode, closure(payload)[0]) == (CLOSE, 1013)
    stalled.send(close_frame(1013))
    host.logged("ended with 1013")


def test_the_policy_close_ends_at_the_bound_even_within_one_call(serve):
    client = serve("misbehave", limits={"outbound_queue": "64 KiB"}).connect("/misbehave/")
    client.send("flood 100 1000")
    assert client.rest()[1][0] == 1013


def test_the_policy_refuse_answers_backpressure(serve):
    host = serve(
        plugins={"misbehave": {"overflow": "refuse"}}, limits={"outbound_queue": "64 KiB"}
    )
    client = host.connect("/misbehave/")
    client.send("flood 100 1000")
    assert client.rest()[1][0] == 1011
    host.logged("returned an error: the connection's queue is full")


def test_a_refused_consumer_goes_on_and_sends_again_when_there_is_room(refusing):
    stalled = stalled_member(refusing)
    for _ in range(FLOOD // 2):
        stalled.send_frame(TEXT, f"buffered {FRAME}".encode())
    answers = [stalled.recv_frame() for _ in range(FLOOD // 2)]
    stalled.send_frame(TEXT, b"buffered")
    refused = (TEXT, b"error: the connection's queue is full")
    rest = iter(stalled.recv_frame, (TEXT, b"0"))
    assert refused in answers + list(rest)
    stalled.send_frame(TEXT, b"channel")
    assert stalled.recv_frame()[1].startswith(b"specific.")


def test_a_frame_larger_than_the_queue_is_sent_when_nothing_waits(serve):
    host = serve("echo", limits={"outbound_queue": "1 KiB"})
    assert host.connect("/echo/").ask("x" * 100_000) == "x" * 100_000


def test_the_policy_drop_oldest_keeps_what_is_new(serve):
    host = serve(
        plugins={"commander": {"overflow": "drop-oldest"}}, limits={"outbound_queue": "256 KiB"}
    )
    stalled = stalled_member(host)
    flood(host, witness(host))
    host.connect("/commander/").ask("frame flooded the last")
    frames = list(iter(stalled.recv_frame, (TEXT, b"the last")))
    assert 0 < len(frames) < FLOOD and set(frames) == {FLOODED}
    stalled.send_frame(TEXT, b"channel")
    assert stalled.recv_frame()[1].startswith(b"specific.")


@pytest.mark.parametrize(
    ("policy", "figure"),
    [
        ("close", "connections_stalled"),
        ("refuse", "frames_refused"),
        ("drop-oldest", "frames_dropped"),
    ],
)
def test_each_policy_has_a_figure_of_its_own(serve, policy, figure):
    host = serve(
        plugins={"commander": {"overflow": policy}}, limits={"outbound_queue": "64 KiB"}, admin=ADMIN
    )
    stalled = stalled_member(host)
    flood(host, witness(host))
    assert counted(host, figure) > 0
    assert [counted(host, other) for other in {"connections_stalled", "frames_dropped"} - {figure}][0] == 0
    assert stalled


@pytest.mark.parametrize("bytes", [0, 1])
def test_frames_without_much_in_them_do_not_wait_without_end(serve, bytes):
    host = serve("misbehave", limits={"outbound_queue": "64 KiB"}, admin=ADMIN)
    stalled = host.raw("/misbehave/", receive_buffer=4096)
    # As many frames as the queue has bytes, and a thousand times its capacity
    for _ in range(20):
        stalled.send_frame(TEXT, f"flood 50000 {bytes}".encode())
    eventually(lambda: counted(host, "connections_stalled", "misbehave") == 1)


def test_a_slow_reader_gets_everything_within_the_bound(serve):
    raw = serve("misbehave").raw("/misbehave/", receive_buffer=4096)
    raw.send_frame(TEXT, b"flood 10 100000")
    assert [len(raw.recv_frame()[1]) for _ in range(10)] == [100_000] * 10


def test_a_client_that_sends_faster_than_its_consumer_takes_has_to_wait(serve):
    plugins = {"misbehave": {"isolation": "connection"}}
    host = serve(plugins=plugins, limits={"call_time": "5m"})
    # A long call makes the plugin's calls run on guest threads.
    assert host.connect("/misbehave/").ask("work 50000000") == "worked"
    busy = host.raw("/misbehave/")
    busy.send_frame(TEXT, b"loop")
    busy.socket.settimeout(1)
    before = host.rss()
    with pytest.raises(TimeoutError):
        for _ in range(2_000):
            busy.send_frame(TEXT, b"x" * 30_000)
    assert host.peak_rss() - before < 8 * MIB
