"""Messages for members of a shared instance whose sessions rest: other tasks call their consumers."""

import pytest

from admin import ADMIN
from support import CLOSE, TEXT, close_frame


@pytest.fixture
def host(serve):
    plugins = {"misbehave": {"isolation": "shared"}, "commander": {"isolation": "shared"}}
    return serve(plugins=plugins, admin=ADMIN, log="debug")


def resting(host, path="/misbehave/"):
    """A client whose session waits for an event, and its channel."""
    client = host.connect(path)
    return client, client.ask("channel")


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


def test_a_trap_in_the_handler_of_a_resting_member_ends_the_instance(host):
    (sender, _), (member, channel), (third, _) = resting(host), resting(host), resting(host)
    sender.send(f"tell {channel} trap")
    assert [client.ended()[0] for client in (member, third)] == [1011, 1011]
    assert sender.rest()[1][0] == 1011
    host.logged("asked to trap in handle")
    assert host.connect("/misbehave/").ask("ok") == "ok"


def test_a_member_that_messages_itself_for_ever_holds_up_no_other(host):
    (sender, _), (_, channel) = resting(host), resting(host)
    assert sender.ask(f"tell {channel} again") == "told"
    for _ in range(50):
        assert sender.ask("ok") == "ok"
        assert host.connect("/misbehave/").ask("ok") == "ok"


def test_a_call_does_not_wait_for_a_room_whose_handlers_are_slow(host):
    (sender, _), (caller, _) = resting(host), resting(host)
    members = [resting(host) for _ in range(100)]
    channels = ",".join(channel for _, channel in members)
    assert sender.ask(f"tell {channels} work") == "told"
    # The handlers run on guest threads after the first one, one after the other.
    assert [caller.ask("ok") for _ in range(5)] == ["ok"] * 5
    with pytest.raises(TimeoutError):
        members[-1][0].recv(timeout=0)
    assert [member.recv() for member, _ in members] == ["worked"] * len(members)


def test_a_resting_member_has_no_more_messages_waiting_than_its_capacity(serve):
    host = serve(plugins={"commander": {"isolation": "shared"}}, layer={"capacity": 3})
    (sender, _), (member, _) = resting(host, "/commander/"), resting(host, "/commander/")
    assert member.ask("add few") == "ok"
    # The handlers run after the call that sends.
    assert sender.ask("group-mixed few 10") == "ok"
    assert member.take(3) == ["message: 0", "frame: 1", "message: 2"]
    assert sender.ask("group-send few later") == "ok"
    assert member.recv() == "message: later"


@pytest.mark.parametrize("isolation", ["connection", "shared"])
def test_a_room_of_resting_members_gets_all_messages_in_order(serve, isolation):
    # More members than one task calls in a row, and a sender in the same or in another instance.
    plugins = {"commander": {"isolation": "shared"}, "sender": {"guest": "commander", "isolation": isolation}}
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
