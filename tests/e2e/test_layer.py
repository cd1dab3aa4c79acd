"""The in-memory channel layer: channels, groups, order, limits, and the timers of a connection."""

import re
import time

import pytest

from support import eventually


@pytest.fixture(scope="module")
def host(serving):
    plugins = {"single": {"guest": "commander", "isolation": "connection"}}
    with serving("commander", "relay", "misbehave", plugins=plugins) as host:
        yield host


@pytest.fixture
def client(host):
    return host.connect("/commander/")


@pytest.fixture
def other(host):
    return host.connect("/commander/")


def packed(message):
    """A message of short strings as MessagePack, in hexadecimal."""
    texts = [text.encode() for pair in message.items() for text in pair]
    body = b"".join(bytes([0xA0 | len(text)]) + text for text in texts)
    return (bytes([0x80 | len(message)]) + body).hex()


# Channels.


def test_every_connection_has_a_channel_that_nobody_else_has(host):
    paths = ["/commander/", "/single/"] * 20
    names = [host.connect(path).ask("channel") for path in paths]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"specific\.[\w.-]+![\w.-]+", name) for name in names)


def test_a_message_reaches_the_channel_it_is_sent_to(client, other):
    assert client.ask(f"send {other.ask('channel')} over there") == "ok"
    assert other.recv() == "message: over there"


def test_a_connection_may_send_to_itself(client):
    client.send(f"send {client.ask('channel')} note to self")
    assert sorted(client.take(2)) == ["message: note to self", "ok"]


def test_a_channel_that_ended_takes_a_message_in_silence(client, other):
    gone = other.ask("channel")
    other.close()
    assert client.ask(f"send {gone} anyone?") == "ok"


def test_messages_of_one_sender_arrive_in_order(client, other):
    channel = other.ask("channel")
    for number in range(50):
        client.send(f"send {channel} {number}")
    assert other.take(50) == [f"message: {number}" for number in range(50)]


def test_a_message_of_a_type_that_the_consumer_does_not_know_is_ignored(host):
    client = host.connect("/misbehave/")
    assert client.ask("unknown-type") == "sent"
    assert client.ask("ok") == "ok"


def test_a_message_without_the_fields_of_its_type_is_the_consumers_fault(host, client):
    # Only this connection ends, whether its instance is shared or not.
    other = host.connect("/single/")
    assert client.ask(f"send-raw {other.ask('channel')} {packed({'type': 'commander.text'})}") == "ok"
    assert other.ended()[0] == 1011
    assert client.ask("channel")


# Limits.


def test_a_channel_that_nobody_reads_is_full_after_100_messages(client):
    answers = [client.ask(f"send unread.channel {number}") for number in range(101)]
    assert answers[:100] == ["ok"] * 100
    assert answers[100].startswith("error: channel is full: ")


def test_capacity_is_the_first_pattern_that_matches_the_channel(serve):
    rules = [
        {"pattern": "small.*", "capacity": 2},
        {"pattern": "small.large", "capacity": 9},
        {"pattern": "[!a-z]?", "capacity": 3},
    ]
    client = serve("commander", layer={"capacity": 5, "channel_capacity": rules}).connect(
        "/commander/"
    )
    for channel, capacity in {"small.one": 2, "small.large": 2, "A1": 3, "a1": 5}.items():
        answers = [client.ask(f"send {channel} x") for _ in range(capacity + 1)]
        assert answers[:-1] == ["ok"] * capacity
        assert answers[-1].startswith("error: channel is full")


def test_a_waiting_message_is_dropped_after_its_expiry(serve):
    layer = {"capacity": 1, "expiry": "300ms"}
    client = serve("commander", layer=layer).connect("/commander/")
    assert client.ask("send unread x") == "ok"
    assert client.ask("send unread x").startswith("error: channel is full")
    eventually(lambda: client.ask("send unread x") == "ok", "expiry")


def test_a_mailbox_is_bounded_in_bytes_as_well(serve):
    client = serve("commander", layer={"mailbox_bytes": "1 KiB"}).connect("/commander/")
    text = "x" * 400
    assert [client.ask(f"send unread {text}") for _ in range(2)] == ["ok"] * 2
    assert client.ask(f"send unread {text}").startswith("error: channel is full")


def test_a_message_over_the_bound_is_refused(serve):
    client = serve("commander", layer={"max_message": "1 KiB"}).connect("/commander/")
    for command in ("send some.channel", "group-send g", "frame g"):
        refused = client.ask(f"{command} {'x' * 2000}")
        assert refused == "error: the message is larger than 1024 bytes"


def test_a_group_send_past_a_full_channel_is_no_error_for_its_sender(serve):
    host = serve("commander", layer={"capacity": 1})
    client, other = host.connect("/commander/"), host.connect("/commander/")
    assert client.ask("add g unread") == "ok"
    assert other.ask("add g") == "ok"
    for number in range(3):
        assert client.ask(f"group-send g {number}") == "ok"
        assert other.recv() == f"message: {number}"


@pytest.mark.parametrize(
    "name", ["", "!", "!x", "a!b!c", "a/b", "é", "a\nb", "specific.*", "x" * 100]
)
def test_a_channels_name_follows_the_rule_of_channels(client, name):
    for command in (f"send {name} x", f"add g {name}", f"discard g {name}"):
        assert client.ask(command).startswith("error: invalid name: ")


@pytest.mark.parametrize("name", ["x", "a.b_c-D9", "x" * 99, "prefix!", "prefix!local"])
def test_a_channels_name_may_be(client, name):
    assert client.ask(f"send {name} x") == "ok"


@pytest.mark.parametrize("name", ["", "a!b", "a/b", "é", "x" * 100])
def test_a_groups_name_follows_the_rule_of_channels(client, name):
    for command in ("group-send", "frame"):
        assert client.ask(f"{command} {name} x").startswith("error: invalid name: ")
    for command in ("add", "discard"):
        assert client.ask(f"{command} {name} some.channel").startswith("error: invalid name: ")


INVALID = {
    "nothing": "",
    "a text": "a568656c6c6f",
    "a list": "9101",
    "no type": packed({"message": "x"}),
    "a number as type": "81a47479706501",
    "an empty type": packed({"type": ""}),
    "a private type": packed({"type": "_private"}),
    "cut off": packed({"type": "commander.text"})[:-2],
    "something behind": packed({"type": "commander.text"}) + "c0",
    "two types": "82a474797065a161a474797065a162",
    "a number as key": "82a474797065a16101a162",
    "not UTF-8": "81a474797065a2ff61",
    "an extension": "82a474797065a161a178d40100",
    "too deep": "82a474797065a161a178" + "91" * 100 + "c0",
    "a map that claims too much": "dfffffffff",
}


@pytest.mark.parametrize("digits", INVALID.values(), ids=INVALID)
def test_bytes_that_are_not_a_message_are_refused(client, digits):
    for command in ("send-raw some.channel", "group-send-raw g"):
        assert client.ask(f"{command} {digits}").startswith("error: invalid message: ")


# Groups.


def test_a_group_send_reaches_every_member_and_nobody_else(host, client, other):
    outsider = host.connect("/commander/")
    for member in (client, other):
        assert member.ask("add everyone") == "ok"
    assert outsider.ask("group-send everyone hello") == "ok"
    assert [member.recv() for member in (client, other)] == ["message: hello"] * 2
    assert outsider.ask("channel").startswith("specific.")


def test_a_sender_that_is_a_member_gets_its_own_message(client):
    client.ask("add own")
    client.send("group-send own hello")
    assert sorted(client.take(2)) == ["message: hello", "ok"]


def test_adding_twice_delivers_once(client, other):
    assert [other.ask("add twice") for _ in range(2)] == ["ok"] * 2
    client.ask("group-send twice once")
    assert other.recv() == "message: once"
    assert other.ask("channel").startswith("specific.")


def test_a_discarded_member_gets_nothing_more(client, other):
    other.ask("add fickle")
    assert other.ask("discard fickle") == "ok"
    assert client.ask("group-send fickle hello") == "ok"
    assert other.ask("channel").startswith("specific.")


def test_discarding_who_is_no_member_is_no_error(client):
    assert client.ask("discard nobodys") == "ok"


def test_one_may_add_and_discard_another(client, other):
    channel = other.ask("channel")
    assert client.ask(f"add invited {channel}") == "ok"
    client.ask("group-send invited welcome")
    assert other.recv() == "message: welcome"
    assert client.ask(f"discard invited {channel}") == "ok"
    client.ask("group-send invited are you there?")
    assert other.ask("discard invited") == "ok"


def test_a_membership_ends_with_the_connection(host, client):
    member, witness = host.connect("/commander/"), host.connect("/commander/")
    for one in (member, witness):
        assert one.ask("add mortal") == "ok"
    channel = member.ask("channel")
    member.close()
    host.logged(f"{re.escape(channel)} ended with 1000")
    assert client.ask("group-send mortal hello") == "ok"
    assert witness.recv() == "message: hello"


def test_a_frame_for_a_group_goes_to_the_sockets_as_it_is(client, other):
    other.ask("add sockets")
    assert client.ask("frame sockets a bare frame") == "ok"
    assert other.recv() == "a bare frame"


@pytest.mark.parametrize("path", ["/commander/", "/single/"])
def test_messages_and_frames_of_one_call_arrive_in_order(host, client, path):
    member = host.connect(path)
    group = path.strip("/")
    assert member.ask(f"add {group}") == "ok"
    assert client.ask(f"group-mixed {group} 80") == "ok"
    kinds = ["message", "frame"]
    assert member.take(80) == [f"{kinds[number % 2]}: {number}" for number in range(80)]


def test_group_x1_gets_messages_of_the_type_xxx_ooo(host):
    members = [host.connect("/relay/") for _ in range(3)]
    members[0].send("via x1")
    assert [member.recv() for member in members] == ["via x1"] * 3


def test_plugins_talk_to_each_other_through_the_layer(host, client):
    relay = host.connect("/relay/")
    message = packed({"type": "xxx.ooo", "text": "from another plugin"})
    assert client.ask(f"group-send-raw x1 {message}") == "ok"
    assert relay.recv() == "from another plugin"


# Other connections of the same instance.


def test_connections_of_one_instance_find_each_other(client, other):
    assert client.ask(f"find {other.ask('channel')}") == "found"
    assert client.ask("find specific.nobody!here") == "none"


def test_connections_of_different_instances_do_not(host):
    client, other = host.connect("/single/"), host.connect("/single/")
    assert client.ask(f"find {client.ask('channel')}") == "found"
    assert client.ask(f"find {other.ask('channel')}") == "none"


def test_send_many_reaches_those_that_are_there_and_counts_them(client, other):
    channel = other.ask("channel")
    assert client.ask(f"send-many {channel},specific.nobody!here hello") == "1"
    assert other.recv() == "hello"
    other.close()
    eventually(lambda: client.ask(f"send-many {channel} hello") == "0", "leaving")


def test_the_buffered_bytes_include_those_of_the_call_itself(client):
    client.send("buffered hello")
    assert client.take(2) == ["hello", "5"]


# Timers.


def test_a_timer_fires_once_and_not_too_soon(client):
    began = time.monotonic()
    assert client.ask("timer 100") == "ok"
    assert client.recv() == "fired"
    assert time.monotonic() - began >= 0.1
    assert client.ask("channel").startswith("specific.")


def test_timers_fire_in_the_order_they_are_due(client):
    # The replies are identical, so check the time: the second must not come before the later timer.
    began = time.monotonic()
    client.send("timer 200")
    client.send("timer 1")
    assert client.take(3) == ["ok", "ok", "fired"]
    assert client.recv() == "fired"
    assert time.monotonic() - began >= 0.2


def test_a_cleared_timer_does_not_fire(client):
    assert client.ask("timer-clear 1") == "ok"
    assert client.ask("timer 100") == "ok"
    assert client.recv() == "fired"
    assert client.ask("channel").startswith("specific.")


def test_a_connection_may_have_64_timers(client):
    assert [client.ask("timer 4000000") for _ in range(64)] == ["ok"] * 64
    assert client.ask("timer 1") == "error: a connection may have 64 timers"


def test_timers_of_a_connection_that_is_gone_do_not_fire(host, client):
    gone = host.connect("/commander/")
    assert gone.ask("timer 1") == "ok"
    gone.close()
    assert client.ask("timer 50") == "ok"
    assert client.recv() == "fired"


def test_a_text_goes_to_a_room_past_its_consumers(serve):
    host = serve("herald", routes=[{"path": "/room/{room}/", "plugin": "herald"}])
    clients = [host.connect("/room/red/") for _ in range(3)]
    elsewhere = host.connect("/room/blue/")
    clients[0].send("hear")
    assert [client.recv() for client in clients] == ["hear"] * 3
    assert elsewhere.ask("alone") == "alone"
