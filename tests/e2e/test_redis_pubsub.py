"""The layer over publish and subscribe together with channels_redis, in both directions."""

import os

import pytest

from redis_server import Redis, peer
from support import eventually
from test_redis import KEYS, layer, text


@pytest.fixture(scope="module")
def servers():
    with Redis() as one, Redis() as two, Redis() as three:
        yield [one, two, three]


@pytest.fixture(scope="module", params=["one server", "three shards", "encrypted", "json"])
def both(request, servers, serving):
    """A host and a Django process on one layer, and its servers."""
    servers = servers if request.param == "three shards" else servers[:1]
    settings = {
        "encrypted": (KEYS, KEYS),
        "json": ({"serializer": "json"}, {"serializer_format": "json"}),
    }
    ours, theirs = settings.get(request.param, ({}, {}))
    with serving("commander", layer=layer(servers, backend="redis-pubsub", **ours)) as host:
        for server in servers:
            listens = lambda: server.ask("PUBSUB", "NUMPAT") == b":1\r\n"
            eventually(listens, "the host's pattern for its own channels")
        with peer(servers, pubsub=True, **theirs) as django:
            yield host, django, servers


def heard(servers, group, listeners):
    """Waits until this number of processes subscribe to a group."""
    subscribed(servers, f"asgi__group__{group}", listeners)


def subscribed(servers, topic, listeners=1):
    counts = lambda: [server.ask("PUBSUB", "NUMSUB", topic) for server in servers]
    eventually(lambda: any(count.endswith(b":%d\r\n" % listeners) for count in counts()), topic)


def channel_of(django, servers):
    """A Django channel whose subscription is active: channels_redis does not wait for the reply to SUBSCRIBE."""
    channel = django.new_channel()
    subscribed(servers, channel)
    return channel


def member(host, servers, group, listeners=1):
    client = host.connect("/commander/")
    assert client.ask(f"add {group}") == "ok"
    heard(servers, group, listeners)
    return client


@pytest.fixture
def group():
    return "g" + os.urandom(8).hex()


def test_django_sends_to_a_consumer(both):
    host, django, _ = both
    for number in range(20):
        client = host.connect("/commander/")
        django.send(client.ask("channel"), text(f"from Django {number}"))
        assert client.recv() == f"message: from Django {number}"


def test_a_consumer_sends_to_django(both):
    host, django, servers = both
    client = host.connect("/commander/")
    for number in range(20):
        channel = channel_of(django, servers)
        assert client.ask(f"send {channel} {number}") == "ok"
        assert django.receive(channel) == text(str(number))


def test_either_sends_to_a_group_of_both(both, group):
    host, django, servers = both
    clients = [member(host, servers, group) for _ in range(3)]
    channels = [channel_of(django, servers) for _ in range(3)]
    for channel in channels:
        django.group_add(group, channel)
    heard(servers, group, 2)
    django.group_send(group, text("from Django"))
    for client in clients:
        assert client.recv() == "message: from Django"
    clients[0].send(f"group-send {group} from here")
    assert sorted(clients[0].take(2)) == ["message: from here", "ok"]
    for client in clients[1:]:
        assert client.recv() == "message: from here"
    for channel in channels:
        received = [django.receive(channel), django.receive(channel)]
        assert received == [text("from Django"), text("from here")]


def test_frames_for_a_group_pass_django_by(both, group):
    host, django, servers = both
    client, channel = member(host, servers, group), channel_of(django, servers)
    django.group_add(group, channel)
    heard(servers, group, 2)
    client.send(f"group-mixed {group} 6")
    lines = [line for line in client.take(7) if line != "ok"]
    assert lines == ["message: 0", "frame: 1", "message: 2", "frame: 3", "message: 4", "frame: 5"]
    assert [django.receive(channel)["text"] for _ in range(3)] == ["0", "2", "4"]
    assert django.receives_nothing(channel)


def test_the_last_member_that_leaves_ends_the_subscription(both, group):
    host, _, servers = both
    stays, leaves = member(host, servers, group), member(host, servers, group)
    leaves.close()
    stays.send(f"group-send {group} still here")
    assert sorted(stays.take(2)) == ["message: still here", "ok"]
    assert stays.ask(f"discard {group}") == "ok"
    heard(servers, group, 0)


def test_foreign_bytes_are_dropped(both, group):
    host, _, servers = both
    client = member(host, servers, group)
    for server in servers:
        for body in (b"", b"hello", b"\xc1" * 40, b"\x91" * 10_000):
            server.ask("PUBLISH", f"asgi__group__{group}", body)
    client.send(f"group-send {group} still here")
    assert sorted(client.take(2)) == ["message: still here", "ok"]
