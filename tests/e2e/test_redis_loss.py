"""Redis killed, paused and restarted under traffic: the effect on sockets and the log."""

import os
from contextlib import ExitStack

import pytest

from faulty_redis import WRITES, RedisProxy
from redis_server import Redis, peer
from support import eventually
from test_redis import joined, layer, member, text

LOST = r"channel layer lost"
BACK = r"channel layer is back .*lost=(\d+)"


@pytest.fixture
def redis():
    with Redis() as redis:
        yield redis


@pytest.fixture(params=["redis", "redis-pubsub"])
def pair(request, redis, serving):
    """Two hosts on one server."""
    settings = layer([redis], backend=request.param)
    with serving("commander", layer=settings) as one, serving("commander", layer=settings) as two:
        yield one, two


def room(hosts, group, count=2):
    """Clients on each host that have joined a group, once the membership is known everywhere."""
    clients = [host.connect("/commander/") for host in hosts for _ in range(count)]
    for client in clients:
        assert client.ask(f"add {group}") == "ok"
    for number in range(200):
        if reached(clients, group, f"settling {number}", 0.1):
            break
    else:
        raise AssertionError("the room does not settle")
    return clients


def reached(clients, group, words, within=1.0):
    """Whether a message from the first client reaches all."""
    clients[0].send(f"group-send {group} {words}")
    missing = 0
    for client in clients:
        try:
            while client.recv(timeout=within) != f"message: {words}":
                pass
        except TimeoutError:
            missing += 1
    return not missing


def answers(client):
    """Whether a consumer still replies, after the messages in flight."""
    client.send("channel")
    while "specific." not in client.recv():
        pass
    return True


def numbered(clients, group, start, count):
    """Sends numbered messages from the first client."""
    for number in range(start, start + count):
        clients[0].send(f"group-send {group} {number}")


def numbers(client, last):
    """The numbers that a client receives, up to the last."""
    got = []
    while not got or got[-1] != last:
        line = client.recv()
        if line.startswith("message: "):
            got.append(int(line.removeprefix("message: ")))
    return got


@pytest.mark.parametrize("how", ["killed", "paused"])
def test_a_room_goes_on_when_redis_is_back(pair, redis, how):
    group = "g" + os.urandom(8).hex()
    clients = room(pair, group)
    numbered(clients, group, 0, 50)
    if how == "killed":
        redis.kill()
    else:
        redis.pause()
    numbered(clients, group, 50, 50)
    for host in pair:
        host.logged(LOST)
    assert all(answers(client) for client in clients)
    numbered(clients, group, 100, 50)
    if how == "killed":
        redis.start()
    else:
        redis.go_on()
    for host in pair:
        host.logged(BACK)
    eventually(lambda: reached(clients, group, "999999"), "a message to all")
    for host in pair:
        log = host.log()
        assert log.count("channel layer lost") == log.count("channel layer is back") == 1, log


def test_messages_arrive_in_order_and_once(pair, redis):
    group = "g" + os.urandom(8).hex()
    clients = room(pair, group)
    sent = 0
    for _ in range(3):
        numbered(clients, group, sent, 200)
        redis.kill()
        numbered(clients, group, sent + 200, 100)
        redis.start()
        sent += 300
        eventually(lambda: reached(clients, group, str(sent)), "a message to all")
        sent += 1
    numbered(clients, group, sent, 100)
    for client in clients:
        got = numbers(client, sent + 99)
        assert got == sorted(set(got))


def test_memberships_and_django_are_there_again_at_once(redis, serving):
    group = "g" + os.urandom(8).hex()
    with serving("commander", layer=layer([redis])) as host:
        clients = [member(host, [redis], group) for _ in range(3)]
        redis.kill()
        host.logged(LOST)
        late = host.connect("/commander/")
        assert late.ask(f"add {group}") == "ok"
        left = clients.pop()
        assert left.ask(f"discard {group}") == "ok"
        redis.start()
        host.logged(BACK, deadline=2)
        for client in [*clients, late]:
            joined([redis], group, client.ask("channel"))
        with peer([redis]) as django:
            django.group_send(group, text("from Django"))
        for client in [*clients, late]:
            assert client.recv() == "message: from Django"
        assert left.ask("channel").startswith("specific.")


def test_a_member_that_left_is_gone_though_redis_first_refuses_to_be_told(redis, serving):
    group = "g" + os.urandom(8).hex()
    with RedisProxy(redis.port) as proxy, serving("commander", layer=layer([proxy])) as host:
        stays, leaves = [member(host, [redis], group) for _ in range(2)]
        proxy.refuse()
        proxy.reset()
        host.logged(LOST)
        assert leaves.ask(f"discard {group}") == "ok"
        written = lambda: proxy.commands["ZREM"] + proxy.commands["ZADD"]
        before = written()
        proxy.answer("MISCONF Errors writing to the AOF file: No space left on device", to=WRITES)
        proxy.accept()
        eventually(lambda: written() > before, "a write that is refused")
        proxy.answer(None)
        host.logged(BACK)
        key = f"asgi:group:{group}"
        eventually(lambda: redis.ask("ZCARD", key) == b":1\r\n", "one member")
        joined([redis], group, stays.ask("channel"))


def test_a_group_send_is_refused_once_nothing_more_can_wait(redis, serving):
    with serving("commander", layer=layer([redis])) as host:
        client = host.connect("/commander/")
        redis.kill()
        host.logged(LOST)
        words = "x" * 1_000_000
        said = [client.ask(f"group-send g {words}") for _ in range(40)]
        assert said[0] == "ok"
        assert "unavailable" in said[-1], said[-1]


@pytest.mark.parametrize("backend", ["redis", "redis-pubsub"])
def test_a_consumer_that_asked_to_be_is_told(redis, serving, backend):
    with serving("commander", layer=layer([redis], backend=backend)) as host:
        client = host.connect("/commander/")
        assert client.ask("add narrowboat.layer") == "ok"
        redis.kill()
        assert client.recv() == "layer lost"
        redis.start()
        assert client.recv() == "layer back"


def test_a_host_starts_before_redis_does(serving):
    redis = Redis()
    with serving("commander", layer=layer([redis])) as host:
        client = host.connect("/commander/")
        host.logged(LOST)
        assert client.ask("add g") == "ok"
        with redis:
            host.logged(BACK)
            eventually(lambda: reached([client], "g", "hello"), "a message")


def test_a_handshake_waits_until_its_group_is_joined(redis, serving):
    routes = [{"path": "/group/{room}/", "plugin": "group"}]
    with serving("group", layer=layer([redis]), routes=routes) as host, peer([redis]) as django:
        for number in range(20):
            client = host.connect(f"/group/r{number}/")
            django.group_send(f"chat_r{number}", {"type": "chat.message", "message": "welcome"})
            assert client.recv() == "welcome"


def test_the_sentinels_next_master_is_taken(serving):
    with ExitStack() as stack:
        master = stack.enter_context(Redis())
        replica = stack.enter_context(Redis(f"replicaof 127.0.0.1 {master.port}"))
        options = [
            f"sentinel monitor site 127.0.0.1 {master.port} 1",
            "sentinel down-after-milliseconds site 500",
            "sentinel failover-timeout site 2000",
        ]
        sentinel = stack.enter_context(Redis(*options, kind="sentinel"))
        eventually(lambda: b"slave" in replica.ask("ROLE") and b"connected" in replica.ask("ROLE"))
        known = lambda: b"num-slaves\r\n$1\r\n1" in sentinel.ask("SENTINEL", "MASTER", "site")
        eventually(known, "the replica known to the sentinel", 30)
        hosts = [{"sentinels": [["127.0.0.1", sentinel.port]], "master_name": "site"}]
        host = stack.enter_context(serving("commander", layer={"backend": "redis", "hosts": hosts}))
        client = host.connect("/commander/")
        assert client.ask("add g") == "ok"
        eventually(lambda: reached([client], "g", "before"), "a message")
        master.kill()
        host.logged(LOST)
        host.logged(BACK, deadline=30)
        eventually(lambda: reached([client], "g", "after"), "a message")
        assert b"master" in replica.ask("ROLE")
