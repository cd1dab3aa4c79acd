"""The host watches a new version and rolls it back if it fails too often."""

import os
import re

import pytest

from admin import ADMIN, Admin
from support import TEXT, UPGRADE, counted, eventually, frame, short

both_isolations = pytest.mark.parametrize("isolation", ["connection", "shared"])

# A few events of a few clients are enough, to keep the tests short.
FEW = {"faults_per_thousand": 5, "min_events": 5, "min_clients": 1, "clients_per_hundred": 0}
HASTY = {"rollback": FEW | {"window": "1m"}}


def brief(**rollback):
    return {"rollback": FEW | {"window": "400ms"} | rollback}


TAKEN_BACK = (
    r'version rolled back; .* version="(\w+)" live="\w+" faults=(\d+) events=(\d+) .* moved=(\d+) lost_events=(\d+) '
    r"restarted=(\d+) closed=(\d+) kept_old=(\d+)"
)


def taken_back(served, plan):
    """Waits until a version is rolled back, and returns the numbers in the log: faults, events, consumers that went
    back, lost events, restarted, closed, remaining."""
    version, faults, events, *numbers = served.host.logged(TAKEN_BACK).groups()
    assert version == short(served.version(plan))
    return tuple(map(int, (faults, events, *numbers)))


def stands(served, plan):
    """Waits until a version passes its rollback window, and checks that it is still live."""
    served.host.logged(f'version has passed its rollback window .*version="{short(served.version(plan))}"')
    assert "rolled back" not in served.host.log()
    assert counted(served.connect())["version"] == plan.split()[0]


# Beyond the limits.


@both_isolations
def test_errors_bring_back_the_old_version_with_the_state_that_was_left(travel, isolation):
    # In a shared instance all connections add to the total, of which this is the last number.
    last = 4 if isolation == "connection" else 7
    plan = f"v2 fails-at={last}"
    served = travel(isolation=isolation, table=HASTY)
    bystander, client = served.clients(2)
    assert bystander.ask("once") == "v1 1 once"
    assert client.ask("once") == "v1 1 once"
    served.swap(plan)
    assert [bystander.ask(text) for text in "ab"] == ["v2 2 a", "v2 3 b"]
    for text in "abc":
        client.send(text)
    assert client.rest() == (["v2 2 a", "v2 3 b"], (1011, "consumer failed"))
    *_, restarted, closed, stay = taken_back(served, plan)
    assert (restarted, closed, stay) == (0, 0, 0)
    told = counted(bystander)
    assert (told["version"], told["count"], told["path"]) == ("v1", 2, ["v1"])
    assert counted(served.connect())["version"] == "v1"


def test_the_log_counts_what_is_lost(travel):
    served = travel(table=HASTY)
    bystanders, client = served.clients(3), served.connect()
    plan = "v2 fails-at=4"
    served.swap(plan)
    for number, bystander in enumerate(bystanders):
        for _ in range(number):
            bystander.ask("lost")
    for _ in range(3):
        client.ask("fine")
    client.send("fails")
    client.ended()
    # The failed client counts until its consumer ends.
    assert taken_back(served, plan) in ((1, 7, 4, 7, 0, 0, 0), (1, 7, 3, 3, 0, 0, 0))
    assert [counted(bystander)["count"] for bystander in bystanders] == [1, 1, 1]


@pytest.mark.parametrize("way", ["traps", "loops"])
def test_traps_and_time_outs_bring_it_back_too(travel, way):
    served = travel(table=HASTY)
    bystander, clients = served.connect(), served.clients(3)
    plan = f"v2 {way}-at=3"
    served.swap(plan)
    assert bystander.ask("lost") == "v2 1 lost"
    for client in clients:
        # The previous version handles the event that traps.
        answers = [client.ask(text).split() for text in "abc"]
        assert [text for *_, text in answers] == ["a", "b", "c"]
        assert answers[-1][0] == "v1"
    taken_back(served, plan)
    assert bystander.ask("found") == "v1 1 found"


def test_the_same_bytes_are_not_taken_again_and_others_are(travel):
    served = travel(table=HASTY)
    client = served.connect()
    plan = "v2 fails-at=5"
    served.swap(plan)
    client.send("0")
    for number in range(1, 5):
        client.send(str(number))
    assert client.rest()[1][0] == 1011
    taken_back(served, plan)
    why = served.refused(None, lambda _: os.utime(served.file))
    version = short(served.version(plan))
    assert why.startswith(f"version {version} was rolled back for its faults; deploy other bytes, or")
    served.swap("v3")
    why = served.refuse(plan)
    assert "was rolled back" in why
    assert counted(served.connect())["version"] == "v3"


def test_a_version_that_fails_at_handshakes_is_taken_back(travel):
    served = travel(table=HASTY)
    client = served.connect()
    plan = "v2 connect-traps"
    served.swap(plan)
    assert client.ask("once") == "v2 1 once"

    def is_accepted():
        raw = served.host.tcp()
        raw.request("/traveller/")
        return raw.response().status == 101

    eventually(is_accepted, "a handshake that succeeds")
    taken_back(served, plan)
    assert client.ask("once") == "v1 1 once"


# Effects of clients.


@both_isolations
def test_garbage_of_clients_does_not_take_a_version_back(travel, isolation):
    served = travel(isolation=isolation, table=brief(window="2s", faults_per_thousand=0), admin=ADMIN, log="debug")
    plan = "v2 reads-json"
    served.swap(plan)
    for _ in range(20):
        client = served.connect()
        client.send("{")
        assert client.ended()[0] == 1007
    good = served.connect()
    assert good.ask('["well"]') == '["well"]'
    served.host.logged(f'version has passed its rollback window .*version="{short(served.version(plan))}"')
    assert "rolled back" not in served.host.log()
    assert good.ask('["still"]') == '["still"]'
    figures = Admin(served.host).ask("/metrics").body.decode()
    errors = re.findall(r"^narrowboat_guest_client_errors_total{.*} (\d+)$", figures, re.MULTILINE)
    faults = re.findall(r"^narrowboat_guest_faults_total{.*} (\d+)$", figures, re.MULTILINE)
    assert sum(map(int, errors)) == 20 and sum(map(int, faults)) == 0


# Clients with faults.

CAREFUL = {"rollback": {"window": "1m", "faults_per_thousand": 5, "min_events": 20}}


def provoke(client, times):
    """Makes a plugin fail at the last of this number of events."""
    for number in range(times):
        client.send(str(number))
    assert client.rest()[1] == (1011, "consumer failed")


def test_a_client_that_comes_again_and_again_takes_no_version_back(travel):
    served = travel(table=CAREFUL, admin=ADMIN)
    served.swap("v2 fails-at=2")
    others = served.clients(4)
    assert [other.ask("once") for other in others] == ["v2 1 once"] * 4
    for _ in range(40):
        provoke(served.connect(), 2)
    told = Admin(served.host).plugin("traveller")
    assert told["faults"] == 40 and told["rolled_back"] == 0
    assert "rolled back" not in served.host.log()


def test_a_few_that_send_garbage_at_once_take_no_version_back_that_serves_the_others(travel):
    served = travel(table=CAREFUL, admin=ADMIN)
    served.swap("v2 fails-at=2")
    others = served.clients(4)
    assert [other.ask("once") for other in others] == ["v2 1 once"] * 4
    for _ in range(10):
        for attacker in served.clients(3):
            provoke(attacker, 2)
    told = Admin(served.host).plugin("traveller")
    assert told["faults"] == 30 and told["rolled_back"] == 0
    assert "rolled back" not in served.host.log()


def test_a_version_that_fails_for_most_clients_is_taken_back(travel):
    served = travel(table=CAREFUL)
    plan = "v2 fails-at=4"
    served.swap(plan)
    clients = served.clients(6)
    for text in "abc":
        for client in clients:
            client.ask(text)
    for client in clients[:2]:
        client.send("fails")
        client.ended()
    assert "rolled back" not in served.host.log()
    for client in clients[2:]:
        client.send("fails")
    taken_back(served, plan)
    assert counted(served.connect())["version"] == "v1"


@pytest.mark.parametrize("way", ["errors", "traps"])
def test_a_version_whose_every_handshake_fails_is_taken_back(travel, way):
    """This also holds if all clients have the same loopback address."""
    served = travel(table=CAREFUL)
    others = served.clients(4)
    plan = f"v2 connect-{way}"
    served.swap(plan)
    assert [other.ask("once") for other in others] == ["v2 1 once"] * 4

    def is_accepted():
        raw = served.host.tcp()
        raw.request("/traveller/")
        return raw.response().status == 101

    eventually(is_accepted, "a handshake that succeeds")
    taken_back(served, plan)
    assert [other.ask("once") for other in others] == ["v1 1 once"] * 4


def test_an_address_of_the_internet_whose_handshakes_fail_is_one_client(travel):
    served = travel(table=CAREFUL, top={"proxy": {"trusted": ["127.0.0.1"]}}, admin=ADMIN)
    plan = "v2 connect-errors"
    served.swap(plan)

    def status(address):
        raw = served.host.tcp()
        raw.request("/traveller/", headers=UPGRADE | {"X-Forwarded-For": address})
        return raw.response().status

    assert [status("198.51.100.7") for _ in range(30)] == [500] * 30
    told = Admin(served.host).plugin("traveller")
    assert told["faults"] == 30 and told["rolled_back"] == 0
    assert [status(f"203.0.113.{number}") for number in range(2)] == [500] * 2
    taken_back(served, plan)


def test_an_address_of_the_internet_is_one_client(travel):
    """The address comes from a proxy. Several connections from it count as one client."""
    served = travel(table=CAREFUL, top={"proxy": {"trusted": ["127.0.0.1"]}}, admin=ADMIN)
    come = lambda address: served.connect(additional_headers={"X-Forwarded-For": address})
    plan = "v2 fails-at=2"
    served.swap(plan)
    others = [come(f"203.0.113.{number}") for number in range(3)]
    assert [other.ask("once") for other in others] == ["v2 1 once"] * 3
    attackers = [come("198.51.100.7") for _ in range(20)]
    for attacker in attackers:
        provoke(attacker, 2)
    told = Admin(served.host).plugin("traveller")
    assert told["faults"] == 20 and told["rolled_back"] == 0
    for other in others[:2]:
        other.send("fails")
    taken_back(served, plan)


def test_a_version_is_taken_back_while_the_next_one_is_prepared(travel):
    """The next version loops in its trial, longer than the test waits."""
    served = travel(table=HASTY, limits={"call_time": "1m"})
    client, victim = served.clients(2)
    plan = "v2 fails-at=5"
    served.swap(plan)
    since = len(served.host.log())
    served.put("v3 load-loops")
    for number in range(5):
        victim.send(str(number))
    assert victim.rest()[1][0] == 1011
    taken_back(served, plan)
    assert "refused" not in served.host.log()[since:]
    assert client.ask("one") == "v1 1 one"


# Within the limits.


def test_a_version_that_fails_less_than_it_may_stays(travel):
    served = travel(table=brief(faults_per_thousand=300), log="debug")
    client = served.connect()
    plan = "v2 fails-at=9"
    served.swap(plan)
    for number in range(9):
        client.send(str(number))
    assert client.rest()[1][0] == 1011
    stands(served, plan)


def test_few_events_say_nothing(travel):
    served = travel(table=brief(min_events=100), log="debug")
    client = served.connect()
    plan = "v2 fails-at=5"
    served.swap(plan)
    for number in range(5):
        client.send(str(number))
    assert client.rest()[1][0] == 1011
    stands(served, plan)


@both_isolations
def test_a_healthy_version_under_heavy_traffic_stays(travel, isolation):
    served = travel(isolation=isolation, table=brief(), log="debug")
    raws, count = [served.host.raw("/traveller/") for _ in range(4)], 1000
    served.swap("v2")
    for raw in raws:
        raw.send(frame(TEXT, b"much") * count)
    for raw in raws:
        for number in range(1, count + 1):
            assert raw.recv_frame() == (TEXT, f"v2 {number} much".encode())
    stands(served, "v2")


def test_a_version_that_fails_as_often_as_the_one_before_stays(travel):
    served = travel("v1 fails-at=3", table=brief(), log="debug")

    def provoke():
        for _ in range(5):
            client = served.connect()
            for text in "abc":
                client.send(text)
            assert client.rest()[1][0] == 1011

    provoke()
    # With a client to move, this version would fail in the trial.
    plan = "v2 fails-at=3"
    served.swap(plan)
    provoke()
    stands(served, plan)


def test_nothing_is_watched_without_a_window(travel):
    served = travel(table={"rollback": {"window": "0s", "min_events": 1}})
    client = served.connect()
    served.swap("v2 traps-at=3")
    for text in "abc":
        client.send(text)
    assert client.rest() == (["v2 1 a", "v2 2 b"], (1011, "consumer failed"))
    assert counted(served.connect())["version"] == "v2"
    assert "back" not in served.host.log()


# A trap of one consumer.


def test_a_moved_consumer_that_traps_goes_back_alone_and_nothing_is_lost(travel):
    served = travel()
    client, other = served.clients(2)
    assert client.ask("one") == "v1 1 one"
    served.swap("v2 traps-at=4")
    assert client.ask("two") == "v2 2 two"
    assert client.ask("three") == "v2 3 three"
    assert client.ask("four") == "v1 2 four"
    served.host.logged("rolled back one consumer after a fault .*lost_events=2")
    assert client.ask("five") == "v1 3 five"
    assert other.ask("one") == "v2 1 one"
    served.swap("v3")
    told = counted(client)
    assert (told["version"], told["count"], told["path"]) == ("v3", 4, ["v1", "v3"])


def test_an_event_that_a_trap_interrupts_keeps_its_place_among_frames_and_messages(travel):
    served = travel()
    raw = served.host.raw("/traveller/")
    served.swap("v2 traps-at=50")
    raw.send(b"".join(frame(TEXT, str(number).encode()) for number in range(100)))
    texts = [raw.recv_frame()[1].decode().split() for _ in range(100)]
    assert [text for *_, text in texts] == [str(number) for number in range(100)]
    assert [version for version, *_ in texts] == ["v2"] * 49 + ["v1"] * 51


def test_a_trap_in_a_timer_is_answered_by_the_old_version(travel):
    served = travel()
    client = served.connect()
    client.send("timer 300")
    served.swap("v2 traps-at=2")
    assert client.recv() == "v1 2 timer"


def test_a_trap_after_the_window_ends_the_connection(travel):
    served = travel(table=brief(), log="debug")
    client = served.connect()
    plan = "v2 traps-at=3"
    served.swap(plan)
    served.host.logged("has passed its rollback window")
    for text in "abc":
        client.send(text)
    assert client.rest() == (["v2 1 a", "v2 2 b"], (1011, "consumer failed"))


def test_a_trap_of_a_consumer_that_has_not_moved_ends_its_connection(travel):
    served = travel()
    moved = served.connect()
    served.swap("v2 traps-at=3")
    client = served.connect()
    for text in "abc":
        client.send(text)
    assert client.rest() == (["v2 1 a", "v2 2 b"], (1011, "consumer failed"))
    assert moved.ask("on") == "v2 1 on"


# A trap of a shared instance.


@pytest.mark.parametrize("policy", [None, "restart", "close"])
def test_a_shared_instance_goes_back_as_a_whole(travel, policy):
    table = {"on_failed_move": policy} if policy else None
    served = travel(isolation="shared", table=table)
    clients = served.clients(3)
    assert [client.ask("old") for client in clients] == ["v1 1 old"] * 3
    plan = "v2 traps-at=8"
    served.swap(plan)
    late = served.connect()
    assert [client.ask("new") for client in [*clients, late]] == [f"v2 {n} new" for n in (2, 2, 2, 1)]
    # The previous version handles the eighth event of the instance.
    assert clients[0].ask("traps") == "v1 2 traps"
    if policy == "restart":
        assert late.recv() == "restarted"
        assert late.ask("on") == "v1 1 on"
    else:
        assert late.ended() == (1012, "state lost in an update")
    assert [client.ask("on") for client in clients[1:]] == ["v1 2 on"] * 2
    # The handshake of the late client was an event too.
    served.host.logged("rolled back a shared instance after a fault .*consumers=3 lost_events=5")
    assert taken_back(served, plan)[0] == 1
    told = counted(served.connect())
    assert (told["version"], told["clients"]) == ("v1", 5 if policy == "restart" else 4)


def test_all_shared_instances_roll_back(travel):
    served = travel(isolation="shared", table={"instances": 2})
    one, other = served.clients(2)
    plan = "v2 traps-at=3"
    served.swap(plan)
    assert other.ask("lost") == "v2 1 lost"
    assert [one.ask(text) for text in "abc"] == ["v2 1 a", "v2 2 b", "v1 1 c"]
    taken_back(served, plan)
    assert other.ask("found") == "v1 1 found"


def test_those_who_came_later_take_their_state_along_if_their_instance_lives(travel):
    served = travel(isolation="shared", table=HASTY)
    early = served.connect()
    plan = "v2 fails-at=5"
    served.swap(plan)
    late, victim = served.clients(2)
    assert late.ask("one") == "v2 1 one"
    assert early.ask("one") == "v2 1 one"
    for text in "abc":
        victim.send(text)
    assert victim.rest()[1][0] == 1011
    taken_back(served, plan)
    assert late.ask("two") == "v1 2 two"
    assert early.ask("two") == "v1 1 two"


# Another version within the window.


@both_isolations
def test_a_newer_version_that_fails_goes_back_to_the_one_before_it(travel, isolation):
    served = travel(isolation=isolation)
    client = served.connect()
    served.swap("v2")
    assert client.ask("one") == "v2 1 one"
    served.swap("v3 traps-at=3")
    assert client.ask("two") == "v3 2 two"
    assert client.ask("three") == "v2 2 three"
    assert counted(client)["path"] == ["v2", "v2"]


def test_a_refused_version_does_not_end_the_window(travel):
    served = travel(table=HASTY)
    client, victim = served.clients(2)
    plan = "v2 fails-at=5"
    served.swap(plan)
    served.refuse("v3 load-fails")
    for number in range(5):
        victim.send(str(number))
    assert victim.rest()[1][0] == 1011
    taken_back(served, plan)
    assert client.ask("one") == "v1 1 one"


def test_a_version_that_was_taken_back_leaves_nothing_to_go_back_to(travel):
    served = travel("v1 traps-at=7", table=HASTY)
    client, victim = served.clients(2)
    plan = "v2 fails-at=5"
    served.swap(plan)
    for number in range(5):
        victim.send(str(number))
    assert victim.rest()[1][0] == 1011
    taken_back(served, plan)
    for number in range(7):
        client.send(str(number))
    messages, (code, _) = client.rest()
    assert (messages, code) == ([f"v1 {n + 1} {n}" for n in range(6)], 1011)
    assert re.search("trap: ", served.host.log())
