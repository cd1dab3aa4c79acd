"""Several events in one call of a guest: events that end their batch, at each position."""

from collections import Counter

import pytest

from admin import ADMIN
from support import CLOSE, CONTINUATION, PING, TEXT, close_frame, closure, eventually, frame
from test_faults import blamed, figure

both_isolations = pytest.mark.parametrize("isolation", ["connection", "shared"])
each_position = pytest.mark.parametrize("position", [0, 1, 2, 3])


def send_row(raw, texts):
    """Sends texts in one packet, so that the host reads them together."""
    raw.send(b"".join(frame(TEXT, text.encode()) for text in texts))


def replies(raw):
    """The texts until the Close, and its code and reason."""
    texts = []
    while (received := raw.recv_frame())[0] == TEXT:
        texts.append(received[1].decode())
    assert received[0] == CLOSE
    raw.send(close_frame(1000))
    assert raw.recv_frame() is None
    return texts, closure(received[1])


def row(position, text):
    """Four texts, of which one is not `ok`."""
    return ["ok"] * position + [text] + ["ok"] * (3 - position)


@pytest.fixture(scope="module", params=["connection", "shared"])
def host(serving, request):
    """A host in each isolation. Each of these calls may take longer than half of its time."""
    names = ("batcher", "misbehave")
    plugins = {name: {"isolation": request.param} for name in names}
    with serving(plugins=plugins, limits={"call_time": "60ms"}, admin=ADMIN) as host:
        yield host


# A row of frames.


def test_the_frames_of_a_row_are_answered_in_order(host):
    raw = host.raw("/batcher/")
    send_row(raw, [str(number) for number in range(100)])
    answers = [raw.recv_frame()[1].decode().split() for _ in range(100)]
    assert [number for _, number in answers] == [str(number) for number in range(100)]
    assert max(int(batch) for batch, _ in answers) > 1


ENDS = [
    ("trap", (1011, "consumer failed"), "trap"),
    ("unreachable", (1011, "consumer failed"), "trap"),
    ("regret lost", (1011, "consumer failed"), "trap"),
    ("loop", (1011, "consumer failed"), "timeout"),
    ("error of its own", (1011, "consumer failed"), "error"),
    ("blame 4007 so", (4007, "so"), "client errors"),
    ("blame 999 so", (1011, "consumer failed"), "contract"),
    ("close 4100", (4100, ""), None),
    ("close 999", (1011, "consumer failed"), "contract"),
]


def counts(host):
    """The events that guests were called for, the client errors, and the faults by kind."""
    client_errors, faults = blamed(host)
    events = figure(host, "guest_events_total", plugin="misbehave")
    return Counter({"events": events, "client errors": client_errors}) + Counter(faults)


@pytest.mark.parametrize(("text", "close", "blame"), ENDS)
def test_an_event_that_ends_the_connection_leaves_those_before_it_their_effects(host, text, close, blame):
    for position in range(4):
        before = counts(host)
        raw = host.raw("/misbehave/")
        send_row(raw, row(position, text))
        assert replies(raw) == (["ok"] * position, close)
        # The handshake, and the frames that the guest was called for.
        events = Counter({"events": 1 + position + 1})
        expected = events + Counter([blame] if blame else [])
        eventually(lambda: counts(host) - before == expected, f"{counts(host) - before} to be {expected}")
    assert host.connect("/misbehave/").ask("ok") == "ok"


def test_the_time_limit_is_for_one_event(host):
    # Each of these takes more than half of the time of a call.
    before = counts(host)
    raw = host.raw("/misbehave/")
    send_row(raw, ["ok", "work 20000000", "work 20000000", "ok", "work 20000000"])
    answers = [raw.recv_frame()[1].decode() for _ in range(5)]
    assert answers == ["ok", "worked", "worked", "ok", "worked"]
    assert counts(host) - before == Counter({"events": 6})


def test_a_row_that_ends_in_a_broken_frame_is_answered_before_the_close(host):
    raw = host.raw("/misbehave/")
    raw.send(frame(TEXT, b"ok") * 3 + frame(TEXT, b"\xff"))
    answered, (code, _) = replies(raw)
    assert (answered, code) == (["ok"] * 3, 1007)


def test_an_error_before_a_broken_frame_of_its_row_ends_the_connection(host):
    before = counts(host)
    raw = host.raw("/misbehave/")
    raw.send(frame(TEXT, b"ok") + frame(TEXT, b"error of its own") + frame(TEXT, b"ok") + frame(TEXT, b"\xff"))
    assert replies(raw) == (["ok"], (1011, "consumer failed"))
    assert counts(host) - before == Counter({"events": 3, "error": 1})


def test_a_client_that_reads_gets_all_replies_to_a_row_although_they_exceed_its_queue(host):
    raw = host.raw("/misbehave/")
    send_row(raw, ["flood 1 100000"] * 16)
    assert [len(raw.recv_frame()[1]) for _ in range(16)] == [100_000] * 16


def test_fragments_and_pings_between_the_frames_of_a_row_keep_their_order(host):
    raw = host.raw("/misbehave/")
    parts = frame(TEXT, b"o", fin=False) + frame(PING, b"now") + frame(CONTINUATION, b"k")
    raw.send(frame(TEXT, b"ok") * 2 + parts + frame(TEXT, b"channel") + frame(TEXT, b"ok"))
    texts = [payload for opcode, payload in (raw.recv_frame() for _ in range(6)) if opcode == TEXT]
    assert texts[:3] == [b"ok"] * 3
    assert texts[3].startswith(b"specific.") and texts[4] == b"ok"


# Versions.


@both_isolations
@each_position
def test_after_a_trap_the_old_version_gets_the_event_and_those_behind_it(travel, isolation, position):
    few = {"faults_per_thousand": 5, "min_events": 5, "min_clients": 1, "clients_per_hundred": 0, "window": "1m"}
    served = travel(isolation=isolation, table={"rollback": few})
    plan = f"v2 traps-at={position + 1}"
    raw = served.host.raw("/traveller/")
    served.swap(plan)
    send_row(raw, "abcd")
    answers = [raw.recv_frame()[1].decode() for _ in range(4)]
    new = [f"v2 {number + 1} {text}" for number, text in enumerate("abcd")][:position]
    old = [f"v1 {number + 1} {text}" for number, text in enumerate("abcd"[position:])]
    assert answers == new + old
    served.host.logged("rolled back")


@both_isolations
def test_a_move_between_rows_loses_no_frame(travel, isolation):
    served = travel(isolation=isolation)
    raw = served.host.raw("/traveller/")
    for number in range(20):
        served.put(f"v{number + 2}")
        for _ in range(10):
            send_row(raw, "abcdefgh")
    counts = [int(raw.recv_frame()[1].split()[1]) for _ in range(20 * 10 * 8)]
    assert counts == list(range(1, 20 * 10 * 8 + 1))


# Messages for several members.


def tell_each(host, orders, isolation="shared"):
    """Members of a shared instance, each of which gets its own order from one call of another instance."""
    members = [host.connect("/misbehave/") for _ in orders]
    channels = [member.ask("channel") for member in members]
    sender = host.connect("/sender/")
    assert sender.ask("tell-each " + ",".join(map("=".join, zip(channels, orders)))) == "told"
    return members


@pytest.fixture
def room(serve):
    plugins = {"misbehave": {"isolation": "shared"}, "sender": {"guest": "misbehave"}}
    return lambda **table: serve(plugins=plugins | {"misbehave": plugins["misbehave"] | table}, admin=ADMIN)


@each_position
@pytest.mark.parametrize(("order", "close"), [("4007", (4007, "a message says so")), ("999", (1011, "consumer failed"))])
def test_an_error_at_one_member_leaves_the_others_their_messages(room, position, order, close):
    orders = ["reply"] * 4
    orders[position] = order
    members = tell_each(room(), orders)
    assert members.pop(position).ended() == close
    assert [member.recv() for member in members] == ["replied"] * 3


@each_position
def test_a_trap_at_one_member_ends_the_instance_after_the_messages_before_it(room, position):
    orders = ["reply"] * 4
    orders[position] = "trap"
    members = tell_each(room(), orders)
    failed = (1011, "consumer failed")
    assert [member.rest() for member in members[:position]] == [(["replied"], failed)] * position
    assert [member.ended() for member in members[position:]] == [failed] * (4 - position)


# Guests that break the rules of batches.


@pytest.mark.parametrize(("text", "said"), [
    ("return", "the guest returned from a batch before it had ended the event that ran"),
    ("end-again", "the guest called end-event outside of a batch, or after it was told to return"),
    ("trap-after", "wasm `unreachable` instruction executed"),
])  # fmt: skip
def test_a_guest_that_breaks_the_rules_of_a_batch_has_trapped(host, text, said):
    since = len(host.log())
    raw = host.raw("/batcher/")
    send_row(raw, ["a", "b", text])
    assert replies(raw) == (["3 a", "3 b"], (1011, "consumer failed"))
    host.logged(said, since)
    assert host.connect("/batcher/").ask("alive") == "1 alive"


def test_a_guest_that_ends_an_event_outside_of_a_batch_has_trapped(host):
    client = host.connect("/batcher/")
    client.send("end-outside")
    assert client.ended() == (1011, "consumer failed")
    host.logged("the guest called end-event outside of a batch")
