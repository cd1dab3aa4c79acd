"""State that a swap must preserve: consumers, order, groups, timers, queues, sockets."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import BINARY, CLOSE, TEXT, close_frame, counted, eventually, frame, short

both_isolations = pytest.mark.parametrize("isolation", ["connection", "shared"])

# All versions of `traveller` in these tests are without faults.
NEW = "v2"


@pytest.fixture
def old(served):
    """The shared host, with the old version live."""
    component = served.version("v1")
    if short(component) not in live(served):
        served.taken(component)
    return served


def live(served):
    versions = re.findall(r'version is live .*? version="(\w+)"', served.host.log())
    return versions[-1:] or [short(served.version("v1"))]


def numbered(version, start, count):
    """The replies of the guest to a series of numbers."""
    return [f"{version} {number} {number}" for number in range(start, start + count)]


# The consumer and its module.


def test_the_consumer_goes_on_counting_in_the_new_version(old):
    clients = old.clients(5)
    for number, client in enumerate(clients):
        for _ in range(number):
            client.ask("once")
    old.swap(NEW)
    told = [counted(client) for client in clients]
    assert [told["count"] for told in told] == [1, 2, 3, 4, 5]
    assert {told["version"] for told in told} == {NEW}
    assert not any(told["restarted"] for told in told)


def test_a_connection_keeps_its_channel(old):
    client = old.connect()
    before = counted(client)["channel"]
    old.swap(NEW)
    assert counted(client)["channel"] == before


@both_isolations
def test_the_modules_state_goes_along(travel, isolation):
    served = travel(isolation=isolation)
    clients = served.clients(3)
    for client in clients:
        client.ask("once")
    before = [counted(client)["total"] for client in clients]
    assert before == ([2, 2, 2] if isolation == "connection" else [4, 5, 6])
    served.swap(NEW)
    assert counted(clients[0])["total"] == (3 if isolation == "connection" else 7)


def test_every_instance_of_several_moves_with_its_own_state(travel):
    served = travel(isolation="shared", table={"instances": 2})
    clients = served.clients(5)
    served.swap(NEW)
    told = [counted(client) for client in clients]
    assert [told["clients"] for told in told] == [3, 2, 3, 2, 3]
    assert [told["total"] for told in told] == [1, 1, 2, 2, 3]


def test_the_state_of_an_instance_that_all_have_left_goes_along(travel):
    served = travel(isolation="shared")
    client = served.connect()
    client.ask("once")
    client.close()
    served.swap(NEW)
    assert counted(served.connect())["total"] == 2


def test_many_swaps_in_a_row(old):
    client = old.connect()
    versions = [NEW, "v3", "v1"] * 3
    for version in versions:
        old.swap(version)
        assert client.ask("once").startswith(version)
    told = counted(client)
    assert (told["count"], told["path"]) == (10, versions[-4:])


def test_the_list_of_the_broadcast_plugin_is_whole(serve, component, tmp_path):
    file = tmp_path / "broadcast.wasm"
    built = component("broadcast").read_bytes()
    file.write_bytes(built)
    host = serve(plugins={"broadcast": {"component": str(file)}})
    clients = [host.connect("/broadcast/") for _ in range(4)]
    # An additional custom section changes only the bytes.
    changed = built + b"\0\2\1x"
    file.write_bytes(changed)
    host.logged(f'version is live .*version="{short(changed)}"')
    clients.append(host.connect("/broadcast/"))
    clients[1].close()
    for client in (clients[0], clients[4]):
        client.send("hello")
        listening = [clients[index] for index in (0, 2, 3, 4)]
        assert [listener.recv() for listener in listening] == ["hello"] * 4


def test_the_list_of_a_shared_instance_is_whole(travel):
    served = travel(isolation="shared")
    clients = served.clients(4)
    served.swap(NEW)
    assert counted(clients[0])["clients"] == 4
    clients[0].send("all of you")
    assert [client.recv() for client in clients] == ["all of you"] * 4


# Messages in flight.


def test_frames_keep_their_order_across_swaps(old):
    raw, count = old.host.raw("/traveller/"), 400
    sender = threading.Thread(target=trickle, args=(raw, count))
    sender.start()
    for version in (NEW, "v3", NEW):
        old.swap(version)
    answers = [raw.recv_frame() for _ in range(count)]
    sender.join()
    texts = [payload.decode().split(" ", 1) for _, payload in answers]
    assert [text for _, text in texts] == [f"{n} {n}" for n in range(1, count + 1)]
    assert len({version for version, _ in texts}) > 1


def trickle(raw, count, wait=threading.Event().wait):
    for number in range(1, count + 1):
        raw.send_frame(TEXT, str(number).encode())
        wait(0.002)


def test_groups_are_kept(old):
    members = old.clients(3)
    for member in members:
        member.send("join red")
        counted(member)
    old.swap(NEW)
    members[0].send("group red hello")
    assert [member.recv() for member in members] == ["hello"] * 3
    newcomer = old.connect()
    newcomer.send("group red again")
    assert [member.recv() for member in members] == ["again"] * 3


def test_running_timers_fire_in_the_new_version(old):
    client = old.connect()
    client.send("timer 700")
    client.send("timer 900")
    counted(client)
    old.swap(NEW)
    assert client.take(2) == [f"{NEW} 4 timer", f"{NEW} 5 timer"]


def test_frames_queued_for_a_slow_reader_are_kept(travel):
    served = travel(limits={"outbound_queue": "64 MiB"})
    raw = served.host.raw("/traveller/", receive_buffer=4096)
    large, count = b"x" * 500_000, 20
    for _ in range(count):
        raw.send_frame(BINARY, large)
    served.swap(NEW)
    for number in range(1, count + 1):
        assert raw.recv_frame() == (BINARY, number.to_bytes(8) + large)
    raw.send_frame(TEXT, b"and on")
    assert raw.recv_frame() == (TEXT, f"{NEW} {count + 1} and on".encode())


SLOW = {"execution": "thread"}


@both_isolations
def test_messages_that_come_while_the_guest_is_busy_are_kept(travel, isolation):
    served = travel("v1 busy=400", isolation, SLOW, limits={"call_time": "1m"})
    raw, other = served.host.raw("/traveller/"), served.connect()
    raw.send(frame(TEXT, b"join red") + frame(TEXT, b"joined"))
    assert raw.recv_frame() == (TEXT, b"v1 2 joined")
    other.send("group red delivered")
    served.put(NEW)
    # Each message keeps the guest busy for a while. Eight are always in flight, so the swap happens between them.
    raw.send(b"".join(frame(TEXT, str(number).encode()) for number in range(8)))
    sent, got = 8, []
    while not any(text.startswith(NEW) for text in got):
        got.append(raw.recv_frame()[1].decode())
        raw.send_frame(TEXT, str(sent).encode())
        sent += 1
    got += [raw.recv_frame()[1].decode() for _ in range(sent + 1 - len(got))]
    got.remove("delivered")
    assert [text.split()[2] for text in got] == [str(number) for number in range(sent)]
    assert {text.split()[0] for text in got} == {"v1", NEW}
    raw.send_frame(TEXT, b"last")
    assert raw.recv_frame() == (TEXT, f"{NEW} {sent + 4} last".encode())


@both_isolations
def test_a_version_in_the_slow_lane_takes_over_and_gives_back(travel, isolation):
    served = travel(isolation=isolation)
    client = served.connect()
    for version, manifest in (("v2", SLOW), ("v3", {}), ("v2", SLOW)):
        served.swap(version, **manifest)
        assert client.ask("once").startswith(version)
    assert counted(client)["count"] == 4


# Ends of connections.


def disconnects(served, channel):
    return re.findall(rf"{re.escape(channel)} of (\S+) disconnects with (\d+)", served.host.log())


def test_a_move_is_no_disconnect_and_the_end_is_exactly_one(old):
    client = old.connect()
    channel = counted(client)["channel"]
    old.swap(NEW)
    assert disconnects(old, channel) == []
    client.close()
    eventually(lambda: disconnects(old, channel), "the disconnect")
    old.swap("v1")
    assert disconnects(old, channel) == [(NEW, "1000")]


def test_a_connection_that_is_closing_while_a_swap_runs_ends_once(old):
    raw = old.host.raw("/traveller/")
    raw.send_frame(TEXT, b"leave")
    # The client has the host's Close and does not reply until the version has changed.
    assert raw.recv_frame() == (CLOSE, (4000).to_bytes(2) + b"asked to")
    old.swap(NEW)
    raw.send(close_frame(4000))
    assert raw.ended() == (1006, "")
    line = old.host.logged(rf"\S+ of {NEW} disconnects with 4000")[0]
    assert len(disconnects(old, line.split()[0])) == 1


# Clients that come and go.


def test_new_connections_get_the_new_version(old):
    old.swap(NEW)
    told = counted(old.connect())
    assert (told["version"], told["count"], told["path"]) == (NEW, 1, [])


def test_handshakes_that_go_on_while_swaps_run_end_up_on_the_newest(old):
    over = threading.Event()

    def come_and_go():
        kept = []
        while not over.is_set():
            kept.append(old.connect())
            assert kept[-1].ask("once").split()[1:] == ["1", "once"]
            if len(kept) > 5:
                kept.pop(0).close()
        return kept

    with ThreadPoolExecutor() as pool:
        guests = [pool.submit(come_and_go) for _ in range(4)]
        for version in [NEW, "v3", "v1", "v3", NEW, "v3"]:
            old.swap(version)
        over.set()
        for client in [client for guest in guests for client in guest.result()]:
            told = counted(client)
            assert (told["version"], told["count"]) == ("v3", 2)


def test_a_connection_that_is_accepted_late_gets_the_newest_version(travel):
    served = travel("v1 busy-connect=300", manifest=SLOW, limits={"call_time": "1m"})
    raw = served.host.tcp()
    raw.request("/traveller/")
    served.swap(NEW)
    assert raw.response().status == 101
    raw.send_frame(TEXT, b"once")
    assert raw.recv_frame() == (TEXT, f"{NEW} 1 once".encode())


def test_a_version_of_a_manifest_with_another_name_is_taken_and_warned_of(travel):
    served = travel()
    since = len(served.host.log())
    served.swap("v2")
    assert "the right component" not in served.host.log()[since:]
    served.swap("v3", name="other")
    served.host.logged('the manifest has another name than the live version.* name="other" live_name="traveller"', since)


def test_a_component_that_calls_itself_otherwise_than_its_plugin_is_told_of(serve):
    host = serve("echo", plugins={"talk": {"guest": "echo"}})
    told = [line for line in host.log().splitlines() if "the manifest of the component has another name" in line]
    assert len(told) == 1 and "talk" in told[0] and '"echo"' in told[0], host.log()
