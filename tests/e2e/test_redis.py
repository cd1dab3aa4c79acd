"""The layer over Redis together with channels_redis, in both directions."""

import os
from contextlib import ExitStack

import msgpack
import pytest
from channels.exceptions import ChannelFull

from redis_server import Redis, peer
from support import eventually, toml

KEYS = {"symmetric_encryption_keys": ["new key", "old key"]}


@pytest.fixture(scope="module")
def redis():
    with Redis() as redis:
        yield redis


@pytest.fixture(scope="module")
def shards():
    with ExitStack() as stack:
        yield [stack.enter_context(Redis()) for _ in range(3)]


def layer(servers, **config):
    """The configuration of a layer on the servers."""
    return {"backend": "redis", "hosts": [server.address for server in servers]} | config


VARIANTS = {
    "plain": ({}, {}),
    "encrypted": (KEYS, KEYS),
    "rotated here": (KEYS, {"symmetric_encryption_keys": ["old key", "new key"]}),
    "rotated there": ({"symmetric_encryption_keys": ["old key", "new key"]}, KEYS),
    "json": ({"serializer": "json"}, {"serializer_format": "json"}),
    "encrypted json": ({"serializer": "json"} | KEYS, {"serializer_format": "json"} | KEYS),
    "prefix": ({"prefix": "site"}, {"prefix": "site"}),
}


@pytest.fixture(params=[*VARIANTS, "three shards"], scope="module")
def both(request, redis, serving):
    """A host and a Django process on one layer, its servers, and its prefix."""
    ours, theirs = VARIANTS.get(request.param, ({}, {}))
    sharded = request.param == "three shards"
    servers = request.getfixturevalue("shards") if sharded else [redis]
    with serving("commander", layer=layer(servers, **ours)) as host:
        with peer(servers, **theirs) as django:
            yield host, django, servers, ours.get("prefix", "asgi")


def text(words):
    return {"type": "commander.text", "text": words}


def joined(servers, group, channel, prefix="asgi"):
    """Waits until a channel is a member of a group in Redis."""
    key = f"{prefix}:group:{group}"

    def stands():
        scores = [server.ask("ZSCORE", key, channel) for server in servers]
        return any(score[:1] == b"$" and score[:3] != b"$-1" for score in scores)

    eventually(stands, f"{channel} in {key}")


def member(host, servers, group, prefix="asgi"):
    """A client whose consumer is in the group."""
    client = host.connect("/commander/")
    channel = client.ask("channel")
    assert client.ask(f"add {group}") == "ok"
    joined(servers, group, channel, prefix)
    return client


@pytest.fixture
def group(request):
    """A group that no other test uses."""
    return "g" + os.urandom(8).hex()


# Between a host and a Django process.


def test_django_sends_to_a_consumer(both):
    host, django, *_ = both
    # Channels selects a channel's server by a hash of its whole name when it sends, and of a part of the name when it
    # receives.
    for number in range(20):
        client = host.connect("/commander/")
        django.send(client.ask("channel"), text(f"from Django {number}"))
        assert client.recv() == f"message: from Django {number}"


def test_a_consumer_sends_to_django(both):
    host, django, *_ = both
    client = host.connect("/commander/")
    for number in range(20):
        channel = django.new_channel()
        assert client.ask(f"send {channel} {number}") == "ok"
        assert django.receive(channel) == text(str(number))


def test_either_sends_to_a_group_of_both(both, group):
    host, django, servers, prefix = both
    clients = [member(host, servers, group, prefix) for _ in range(3)]
    channels = [django.new_channel() for _ in range(3)]
    for channel in channels:
        django.group_add(group, channel)
    django.group_send(group, text("from Django"))
    assert clients[0].recv() == "message: from Django"
    assert clients[0].ask(f"group-send {group} from here") == "ok"
    for client in clients[1:]:
        assert client.take(2) == ["message: from Django", "message: from here"]
    for channel in channels:
        received = [django.receive(channel), django.receive(channel)]
        assert received == [text("from Django"), text("from here")]


def test_a_type_is_the_same_with_underscores_as_for_channels_own_handlers(both, group):
    """Channels' get_handler_name maps both types to `commander_text`."""
    host, django, servers, prefix = both
    client = member(host, servers, group, prefix)
    for kind in ("commander.text", "commander_text"):
        django.group_send(group, {"type": kind, "text": kind})
        assert client.recv() == f"message: {kind}"
        django.send(client.ask("channel"), {"type": kind, "text": f"to one, {kind}"})
        assert client.recv() == f"message: to one, {kind}"


def test_a_member_leaves_by_its_own_or_by_djangos_will(both, group):
    host, django, servers, prefix = both
    stays, leaves, sent_away = (member(host, servers, group, prefix) for _ in range(3))
    assert leaves.ask(f"discard {group}") == "ok"
    django.group_discard(group, sent_away.ask("channel"))
    assert stays.ask(f"group-send {group} who is there?") == "ok"
    assert stays.recv() == "message: who is there?"
    for gone in (leaves, sent_away):
        assert gone.ask("channel").startswith("specific.")


def test_a_consumer_joins_because_django_says_so(both, group):
    host, django, *_ = both
    client = host.connect("/commander/")
    django.group_add(group, client.ask("channel"))
    django.group_send(group, text("welcome"))
    assert client.recv() == "message: welcome"


def test_frames_for_a_group_pass_django_by(both, group):
    host, django, servers, prefix = both
    client, channel = member(host, servers, group, prefix), django.new_channel()
    django.group_add(group, channel)
    assert client.ask(f"group-mixed {group} 6") == "ok"
    expected = ["message: 0", "frame: 1", "message: 2", "frame: 3", "message: 4", "frame: 5"]
    assert client.take(6) == expected
    assert [django.receive(channel)["text"] for _ in range(3)] == ["0", "2", "4"]
    assert django.receives_nothing(channel)


@pytest.fixture(scope="module")
def plain(redis, serving):
    """A host and a Django process with default settings."""
    with serving("commander", "group", layer=layer([redis])) as host, peer([redis]) as django:
        yield host, django


def test_every_kind_of_value_arrives(plain):
    host, django = plain
    channel = django.new_channel()
    sent = {
        "type": "commander.text",
        "values": [None, True, False, 0, -1, 2**63 - 1, -(2**63), 1.5, "é\U0001f6a2", b"\0\xff"],
        "map": {"a": {"b": [[], {}]}},
    }
    packed = msgpack.packb(sent).hex()
    assert host.connect("/commander/").ask(f"send-raw {channel} {packed}") == "ok"
    assert django.receive(channel) == sent


def test_a_message_of_a_megabyte_arrives(redis, serving):
    with serving("commander", layer=layer([redis])) as host, peer([redis]) as django:
        client = host.connect("/commander/")
        large = "x" * 1_000_000
        django.send(client.ask("channel"), text(large))
        assert client.recv() == f"message: {large}"


def test_a_channel_holds_its_capacity(redis, serving):
    settings = layer([redis], capacity=3)
    with serving("commander", layer=settings) as host, peer([redis], capacity=3) as django:
        client = host.connect("/commander/")
        name = "jobs" + os.urandom(8).hex()
        for number in range(5):
            assert client.ask(f"send {name} {number}") == "ok"
        eventually(lambda: redis.ask("ZCARD", f"asgi{name}") == b":3\r\n", "three waiting")
        with pytest.raises(ChannelFull):
            django.send(name, text("4"))
        assert [django.receive(name)["text"] for _ in range(3)] == ["0", "1", "2"]


def test_a_message_expires(redis, serving):
    settings = layer([redis], expiry=1)
    with serving("commander", layer=settings) as host, peer([redis], expiry=1) as django:
        client = host.connect("/commander/")
        name = "jobs" + os.urandom(8).hex()
        assert client.ask(f"send {name} late") == "ok"
        eventually(lambda: redis.ask("EXISTS", f"asgi{name}") == b":1\r\n", "the message")
        eventually(lambda: redis.ask("EXISTS", f"asgi{name}") == b":0\r\n", "its end")
        assert django.receives_nothing(name)


# Between hosts.


def test_a_room_spans_three_hosts(redis, serving, group):
    with ExitStack() as stack:
        hosts = [
            stack.enter_context(serving("commander", layer=layer([redis]))) for _ in range(3)
        ]
        clients = [member(host, [redis], group) for host in hosts for _ in range(2)]
        for sender in clients:
            sender.send(f"group-mixed {group} 20")
            expected = [f"{'frame' if n % 2 else 'message'}: {n}" for n in range(20)]
            for client in clients:
                lines = client.take(21 if client is sender else 20)
                assert [line for line in lines if line != "ok"] == expected


def test_a_host_that_stops_leaves_its_groups(redis, serving, group):
    with serving("commander", layer=layer([redis])) as host:
        for _ in range(20):
            member(host, [redis], group)
        assert host.stop() == 0
        assert redis.ask("EXISTS", f"asgi:group:{group}") == b":0\r\n"


# Malformed data.


FOREIGN = [
    b"",
    b"hello",
    b"\xc1" * 40,
    b"\0" * 12 + b"\x81\xa1a\xa1b",
    b"\0" * 12 + b"\x82\xa4type\xa1a\xa1d" + b"\x91" * 10_000,
    b"\0" * 12 + b"\x82\xa4type\xa1a\xb0__asgi_channel__\x91\x01",
    b"\0" * 12 + b"\x93\xb0narrowboat.frame\xdd\xff\xff\xff\xff",
]


def test_foreign_bytes_in_a_hosts_key_are_dropped(redis, plain):
    host, django = plain
    client = host.connect("/commander/")
    channel = client.ask("channel")
    key = "asgi" + channel[: channel.index("!") + 1]
    for body in FOREIGN:
        redis.ask("ZADD", key, 9e9, body)
    django.send(channel, text("still there?"))
    assert client.recv() == "message: still there?"


def test_a_key_of_another_type_is_cleared(redis, serving):
    with serving("commander", layer=layer([redis])) as host, peer([redis]) as django:
        client = host.connect("/commander/")
        channel = client.ask("channel")
        key = "asgi" + channel[: channel.index("!") + 1]
        redis.ask("SET", key, "something else")
        eventually(lambda: redis.ask("TYPE", key) != b"+string\r\n", "its end", 20)
        django.send(channel, text("still there?"))
        assert client.recv() == "message: still there?"


def test_a_group_key_that_is_no_group_is_nobody(redis, plain, group):
    host, _ = plain
    redis.ask("SET", f"asgi:group:{group}", "something else")
    client = host.connect("/commander/")
    assert client.ask(f"group-send {group} anyone?") == "ok"
    assert client.ask(f"send {client.ask('channel')} me") in ("ok", "message: me")
    assert client.recv() in ("ok", "message: me")


# From outside.


@pytest.fixture
def settings(redis, tmp_path):
    """The configuration of a layer only."""
    file = tmp_path / "narrowboat.toml"
    file.write_text(toml({"layer": layer([redis])}))
    return file


def send(narrowboat, settings, *arguments):
    return narrowboat("send", "--config", settings, "--type", "commander.text", *arguments)


def test_a_message_is_sent_from_a_shell(narrowboat, settings, redis, plain, group):
    host, django = plain
    client, channel = member(host, [redis], group), django.new_channel()
    django.group_add(group, channel)
    done = send(narrowboat, settings, "--group", group, "--json", '{"text": "from a shell"}')
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"sent to group {group}: 2 receivers\n"
    assert client.recv() == "message: from a shell"
    assert django.receive(channel) == text("from a shell")
    done = send(narrowboat, settings, "--channel", channel, "--json", '{"text": "n", "n": [1.5, null]}')
    assert done.returncode == 0, done.stderr
    assert django.receive(channel) == text("n") | {"n": [1.5, None]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--group", "a b"], "--group: the name"),
        (["--channel", "a!b!c"], "--channel: the name"),
        (["--group", "g", "--json", "[1]"], "--json: expected an object"),
        (["--group", "g", "--json", "{"], "--json: EOF"),
        (["--group", "g", "--json", '{"type": "other"}'], 'another "type"'),
        (["--group", "g", "--layer", "defualt"], 'did you mean "default"?'),
        (["--group", "g", "--channel", "c"], "cannot be used with"),
        ([], "--group <NAME>"),
    ],
)
def test_a_message_that_cannot_be_sent_is_an_error(narrowboat, settings, arguments, words):
    done = send(narrowboat, settings, *arguments)
    assert done.returncode == 2
    assert words in done.stderr, done.stderr


def test_a_layer_in_memory_is_not_reached_from_outside(narrowboat, tmp_path):
    file = tmp_path / "narrowboat.toml"
    file.write_text("")
    done = send(narrowboat, file, "--group", "g")
    assert done.returncode == 2
    assert "in the memory of the host" in done.stderr


def test_a_server_that_is_not_there_is_told(narrowboat, tmp_path):
    file = tmp_path / "narrowboat.toml"
    file.write_text('[layer]\nbackend = "redis"\nhosts = [["127.0.0.1", 1]]\n')
    done = send(narrowboat, file, "--group", "g")
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr and "refused" in done.stderr, done.stderr


def test_a_full_channel_is_told(narrowboat, redis, tmp_path):
    file = tmp_path / "narrowboat.toml"
    file.write_text(toml({"layer": layer([redis], capacity=1)}))
    name = "jobs" + os.urandom(8).hex()
    assert send(narrowboat, file, "--channel", name).returncode == 0
    done = send(narrowboat, file, "--channel", name)
    assert done.returncode == 1
    assert f"channel {name} is full" in done.stderr
