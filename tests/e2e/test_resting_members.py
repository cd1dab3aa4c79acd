"""Messages for consumers whose sessions rest: other tasks call them."""

import pytest

from admin import ADMIN
from support import CLOSE, TEXT, close_frame, counted


@pytest.fixture(params=["connection", "shared"])
def isolation(request):
    return request.param


@pytest.fixture
def host(serve, isolation):
    plugins = {name: {"isolation": isolation} for name in ("misbehave", "commander")}
    return serve(plugins=plugins, admin=ADMIN, log="debug")


def resting(host, path="/misbehave/"):
    """A client whose session waits for an event, and its channel. It has had a message."""
    client = host.connect(path)
    channel = client.ask("channel")
    if path == "/misbehave/":
        assert client.ask(f"tell {channel} reply") == "told"
        assert client.recv() == "replied"
    return client, channel


def test_an_error_in_its_handler_ends_a_resting_member_and_no_other(host):
    (sender, _), (member, channel) = resting(host), resting(host)
    # 999 is out of range, so the plugin breaks the contract.
    assert sender.ask(f"tell {channel} 999") == "told"
    assert member.ended() == (1011, "consumer failed")
    assert sender.ask("ok") == "ok"
    host.logged(f"WARN.*broke the contract: blamed its client with 999.*{channel}|WARN.*{channel}.*blamed its client")


def test_a_resting_member_may_be_blamed_for_a_message(host):
    (sender, _), (member, channel) = resting(host), resting(host)
    assert sender.ask(f"tell {channel} 4009") == "told"
    assert member.ended() == (4009, "a message says so")
    assert sender.ask("ok") == "ok"
    assert "WARN" not in host.log()


def test_a_trap_in_the_handler_of_a_resting_member_ends_its_instance(host, isolation):
    (sender, _), (member, channel), (third, _) = resting(host), resting(host), resting(host)
    sender.send(f"tell {channel} trap")
    assert member.ended() == (1011, "consumer failed")
    host.logged("asked to trap in handle")
    if isolation == "shared":
        assert third.ended()[0] == sender.rest()[1][0] == 1011
    else:
        assert (sender.recv(), third.ask("ok")) == ("told", "ok")
    assert host.connect("/misbehave/").ask("ok") == "ok"


def test_a_trap_in_a_handler_brings_a_resting_member_back_to_the_old_version_with_its_message(travel, isolation):
    few = {"faults_per_thousand": 1, "min_events": 100, "min_clients": 1, "clients_per_hundred": 0, "window": "1m"}
    served = travel(isolation=isolation, table={"rollback": few})
    sender, member = served.clients(2)
    for client in (sender, member):
        client.send("join hall")
        counted(client)
    sender.send("group hall before")
    assert [client.recv() for client in (sender, member)] == ["before"] * 2
    served.swap("v2 traps-at=5")
    texts = ["a", "b", "c"]
    for text in texts:
        sender.send(f"group hall {text}")
    assert member.take(3) == texts
    served.host.logged("rolled back")


def test_a_member_that_messages_itself_for_ever_holds_up_no_other(host):
    (sender, _), (_, channel) = resting(host), resting(host)
    assert sender.ask(f"tell {channel} again") == "told"
    for _ in range(50):
        assert sender.ask("ok") == "ok"
        assert host.connect("/misbehave/").ask("ok") == "ok"


def test_a_call_does_not_wait_for_a_room_whose_handlers_are_slow(host, isolation):
    (sender, _), (caller, _) = resting(host), resting(host)
    members = [resting(host) for _ in range(100)]
    channels = ",".join(channel for _, channel in members)
    assert sender.ask(f"tell {channels} work") == "told"
    # The handlers run on guest threads after the first one; in a shared instance one after the other.
    assert [caller.ask("ok") for _ in range(5)] == ["ok"] * 5
    if isolation == "shared":
        with pytest.raises(TimeoutError):
            members[-1][0].recv(timeout=0)
    assert [member.recv() for member, _ in members] == ["worked"] * len(members)


def test_a_resting_member_has_no_more_messages_waiting_than_its_capacity(serve, isolation):
    host = serve(plugins={"commander": {"isolation": isolation}}, layer={"capacity": 3})
    (sender, _), (member, _) = resting(host, "/commander/"), resting(host, "/commander/")
    assert member.ask("add few") == "ok"
    # The handlers run after the call that sends.
    assert sender.ask("group-mixed few 10") == "ok"
    assert member.take(3) == ["message: 0", "frame: 1", "message: 2"]
    assert sender.ask("group-send few later") == "ok"
    assert member.recv() == "message: later"


@pytest.mark.parametrize("isolation_of_sender", ["connection", "shared"])
def test_a_room_of_resting_members_gets_all_messages_in_order(serve, isolation, isolation_of_sender):
    # More members than one task calls in a row.
    plugins = {
        "commander": {"isolation": isolation},
        "sender": {"guest": "commander", "isolation": isolation_of_sender},
    }
    host = serve(plugins=plugins)
    members = [host.connect("/commander/") for _ in range(150)]
    assert [member.ask("add hall") for member in members] == ["ok"] * len(members)
    sender = host.connect("/sender/")
    for number in range(20):
        sender.send(f"group-send hall {number}")
    assert sender.take(20) == ["ok"] * 20
    for member in members:
        assert member.take(20) == [f"message: {number}" for number in range(20)]


def test_a_member_that_leaves_gets_no_further_messages_and_is_no_fault(host):
    sender, _ = resting(host, "/commander/")
    for number in range(20):
        leaver = host.raw("/commander/")
        leaver.send_frame(TEXT, b"add leavers")
        leaver.recv_frame()
        leaver.send_frame(CLOSE, close_frame(1000))
        assert sender.ask(f"group-send leavers {number}") == "ok"
    assert sender.ask("channel")
    assert "WARN" not in host.log()
