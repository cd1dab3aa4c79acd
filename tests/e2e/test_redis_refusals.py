"""Every row of the table in docs/reference/redis-failures.md: each failure of Redis, and its effect on messages,
memberships, readiness, metrics and the log."""

import os
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import pytest

from admin import ADMIN, Admin
from faulty_redis import WRITES, RedisProxy
from redis_server import Redis, free_port, peer
from support import DEADLINE, eventually
from test_redis import joined, layer, text
from test_redis_senders import clock  # noqa: F401 a fixture
from test_status import figures

BOTH = ("redis", "redis-pubsub")
LOST, BACK = "channel layer lost", "channel layer is back"
TABLE = Path(__file__).resolve().parents[2] / "docs/reference/redis-failures.md"


@dataclass(frozen=True)
class Fault:
    """How a failure begins and ends, the text in the log when it begins, and the backends that detect it."""

    begin: Callable
    end: Callable
    says: str
    backends: tuple = ("redis",)


def answered(error, to=WRITES, backends=("redis",), says=None):
    """A failure in which the server replies to commands with an error."""
    begin = lambda redis, proxy: proxy.answer(error, to)
    return Fault(begin, lambda redis, proxy: proxy.answer(None), says or error.split()[0], backends)


def permit(redis, *rules):
    assert redis.ask("ACL", "SETUSER", "default", *rules) == b"+OK\r\n"


def configured(says, before, after):
    """A failure that settings of the server cause."""
    set_to = lambda settings: lambda redis, _: [redis.ask("CONFIG", "SET", *pair) for pair in settings]
    return Fault(set_to(before), set_to(after), says)


def cannot_save(redis, _):
    redis.lose_folder()
    redis.ask("CONFIG", "SET", "save", "1 1")
    redis.ask("SET", "changed", "1")
    eventually(lambda: b"status:err" in redis.ask("INFO", "persistence"), "a failed save", 30)


def can_save(redis, _):
    redis.ask("CONFIG", "SET", "save", "")
    redis.ask("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")


def login(redis, proxy):
    redis.ask("CONFIG", "SET", "requirepass", "secret")
    # Open connections stay logged in.
    proxy.reset()


def script(redis, _):
    """Runs an endless script, in a thread that waits for its reply."""
    redis.ask("CONFIG", "SET", "busy-reply-threshold", "50")
    threading.Thread(target=lambda: redis.ask("EVAL", "while true do end", 0), daemon=True).start()
    eventually(lambda: redis.ask("PING").startswith(b"-BUSY"), "a busy server")


def silent(_, proxy):
    proxy.be_silent()
    proxy.reset()


EVERYTHING = None
FAULTS = {
    "NOREPLICAS": configured("NOREPLICAS", [("min-replicas-to-write", 1)], [("min-replicas-to-write", 0)]),
    "NOPERM": Fault(lambda redis, _: permit(redis, "-eval"), lambda redis, _: permit(redis, "+@all"), "(?i)noperm"),
    "NOPERM to publish": answered("NOPERM no permissions", ["PUBLISH"], ("redis-pubsub",), "(?i)noperm"),
    "NOPERM to read": answered("NOPERM no permissions", ["BZPOPMIN"], says="(?i)noperm"),
    "NOPERM to subscribe": Fault(
        lambda _, proxy: (proxy.answer("NOPERM no permissions", ["SUBSCRIBE", "PSUBSCRIBE"]), proxy.reset()),
        lambda _, proxy: proxy.answer(None),
        "",
        ("redis-pubsub",),
    ),
    "NOAUTH": Fault(
        login,
        lambda redis, _: redis.ask_after_login("secret", "CONFIG", "SET", "requirepass", ""),
        "",
        BOTH,
    ),
    "OOM": configured("OOM", [("maxmemory", 1)], [("maxmemory", 0)]),
    "MISCONF": Fault(cannot_save, can_save, "MISCONF"),
    "READONLY": Fault(
        lambda redis, _: redis.ask("REPLICAOF", "127.0.0.1", 1),
        lambda redis, _: redis.ask("REPLICAOF", "NO", "ONE"),
        # The role change also ends connections with blocked commands.
        "",
    ),
    "LOADING": answered("LOADING Redis is loading the dataset in memory", EVERYTHING, BOTH, "(?i)loading"),
    "MASTERDOWN": answered(
        "MASTERDOWN Link with MASTER is down", EVERYTHING, BOTH, "(?i)masterdown"
    ),
    "BUSY": Fault(
        script, lambda redis, _: redis.ask("SCRIPT", "KILL"), "(?i)BUSY|timed out", BOTH
    ),
    "CLUSTERDOWN": answered("CLUSTERDOWN Hash slot not served", says="(?i)clusterdown"),
    "TRYAGAIN": answered("TRYAGAIN Multiple keys request during rehashing of slot", says="(?i)tryagain"),
    "an unknown error": answered("ERR unknown command", ["EVAL", "PUBLISH"], BOTH, "unknown command"),
    "connections killed": Fault(
        lambda _, proxy: (proxy.refuse(), proxy.reset()), lambda _, proxy: proxy.accept(), "", BOTH
    ),
    "a server that pauses": Fault(lambda redis, _: redis.pause(), lambda redis, _: redis.go_on(), "", BOTH),
    "a server that never answers": Fault(silent, lambda _, proxy: proxy.speak(), "", BOTH),
}


@pytest.fixture
def redis():
    with Redis() as redis:
        yield redis


@pytest.fixture
def proxy(redis):
    with RedisProxy(redis.port) as proxy:
        yield proxy


@pytest.fixture
def group():
    return "g" + os.urandom(8).hex()


@contextmanager
def hosted(serving, proxy, backend):
    """Context manager for a host that reaches the server through the proxy."""
    with serving("commander", layer=layer([proxy], backend=backend), admin=ADMIN) as host:
        yield host


def ready(host):
    answer = Admin(host).ask("/readyz", token="")
    return answer.status, answer.body


def counted(host, name):
    """The value of a counter of the layer, over all causes."""
    begins = f'narrowboat_layer_messages_{name}_total{{tenant="default",layer="default"'
    counts = [int(count) for figure, count in figures(host).items() if figure.startswith(begins)]
    assert counts, begins
    return sum(counts)


def room(host, group, count):
    """Clients in a group, once a message reaches all of them."""
    clients = [host.connect("/commander/") for _ in range(count)]
    for client in clients:
        assert client.ask(f"add {group}") == "ok"
    eventually(lambda: all(reached(clients, group, "settled")), "a message to all")
    for client in clients:
        answers(client)
    return clients


def reached(clients, group, words):
    """For each client, whether a message from the first client arrives within a second."""
    clients[0].send(f"group-send {group} {words}")
    return [comes(client, f"message: {words}") for client in clients]


def comes(client, line, within=1):
    try:
        while client.recv(timeout=within) != line:
            pass
        return True
    except TimeoutError:
        return False


def answers(client):
    """The messages before a consumer's next reply."""
    client.send("channel")
    lines = []
    while "specific." not in (line := client.recv()):
        lines.append(line)
    return lines


def messages_until(client, last):
    """The messages up to the last one."""
    got = []
    while not got or got[-1] != last:
        line = client.recv()
        if line.startswith("message: "):
            got.append(line.removeprefix("message: "))
    return got


ROWS = [(name, backend) for name, fault in FAULTS.items() for backend in fault.backends]


@pytest.mark.parametrize(("name", "backend"), ROWS)
def test_a_layer_that_is_refused_is_away_until_all_it_asks_is_taken(
    serving, redis, proxy, group, name, backend
):
    fault = FAULTS[name]
    with hosted(serving, proxy, backend) as host:
        sender, stays, leaves = room(host, group, 3)
        late = host.connect("/commander/")
        fault.begin(redis, proxy)
        try:
            sent = [f"refused {number}" for number in range(10)]
            for words in sent:
                sender.send(f"group-send {group} {words}")
            assert answers(sender).count("ok") == len(sent)
            line = host.logged(f".*{LOST}.*")[0]
            assert re.search(fault.says, line), line
            eventually(lambda: ready(host) == (503, b'layer "default" is disconnected\n'), "not ready")
            assert late.ask(f"add {group}") == "ok"
            assert "ok" in (leaves.ask(f"discard {group}"), *answers(leaves))
            tried_again(host, proxy, name)
            assert ready(host)[0] == 503
        finally:
            fault.end(redis, proxy)
        host.logged(BACK)
        eventually(lambda: ready(host)[0] == 200, "ready")
        log = host.log()
        assert (log.count(LOST), log.count(BACK)) == (1, 1), log
        eventually(lambda: reached([sender, late], group, "late too")[1], "a message to who came late")
        sender.send(f"group-send {group} end")
        got = messages_until(stays, "end")
        # In order, without duplicates, and missing messages are counted.
        missing = [words for words in sent if words not in got]
        assert [words for words in got if words in sent] == [words for words in sent if words in got]
        assert len(missing) <= counted(host, "lost") <= len(sent), got
        if backend == "redis":
            # More readers could change the order.
            eventually(lambda: readers(redis) == 1, "one reader of the host's key")
        assert counted(host, "malformed") == 0
        assert not [line for line in answers(leaves) if line in ("message: late too", "message: end")]


def readers(redis):
    """The number of connections that wait for a message."""
    return redis.ask("CLIENT", "LIST").count(b"cmd=bzpopmin")


def tried_again(host, proxy, name):
    """Waits until the host has tried to reconnect several times."""
    if name in ("connections killed", "a server that pauses", "BUSY"):
        return
    before = proxy.accepted
    proxy.accepts(before + 4)


UNNOTICED = ["NOREPLICAS", "OOM", "MISCONF", "READONLY"]


@pytest.mark.parametrize("under_load", [False, True])
def test_a_connection_for_what_is_published_that_stalls_is_noticed(serving, redis, proxy, group, under_load):
    with hosted(serving, proxy, "redis-pubsub") as host:
        clients = room(host, group, 2)
        busy = lambda: under_load and clients[0].send(f"group-send {group} more")
        proxy.subscriptions_stalled = True
        eventually(lambda: (busy(), LOST in host.log())[1], "a layer that is away")
        assert ready(host)[0] == 503
        # An attempt to reconnect does not hang either.
        tried_again(host, proxy, "stalled")
        proxy.subscriptions_stalled = False
        host.logged(BACK)
        eventually(lambda: ready(host)[0] == 200, "ready")
        eventually(lambda: all(reached(clients, group, "goes on")), "a message to all")


@pytest.mark.parametrize("name", UNNOTICED)
def test_publishing_is_no_write_and_goes_on(serving, redis, proxy, group, name):
    fault = FAULTS[name]
    with hosted(serving, proxy, "redis-pubsub") as host:
        clients = room(host, group, 2)
        fault.begin(redis, proxy)
        # An idle layer checks the server each second.
        asked = lambda: proxy.commands["PUBLISH"] + proxy.commands["PING"]
        before = asked()
        eventually(lambda: asked() >= before + 6, "further looks at the server")
        late = host.connect("/commander/")
        assert late.ask(f"add {group}") == "ok"
        assert all(reached([*clients, late], group, "goes on"))
        assert ready(host)[0] == 200
        assert LOST not in host.log()
        fault.end(redis, proxy)


def test_a_cluster_without_its_slots_publishes_and_takes_no_messages(serving, group):
    with Redis("cluster-enabled yes", f"cluster-port {free_port()}") as redis:
        with hosted(serving, redis, "redis-pubsub") as host:
            assert all(reached(room(host, group, 2), group, "goes on"))
            assert ready(host)[0] == 200
        with hosted(serving, redis, "redis") as host:
            host.logged(f"{LOST}.*(?i:clusterdown)")
            assert ready(host)[0] == 503


def test_a_cluster_is_no_backend_for_messages_though_it_has_all_its_slots(serving, group):
    with Redis("cluster-enabled yes", f"cluster-port {free_port()}") as redis:
        redis.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        eventually(lambda: b"cluster_state:ok" in redis.ask("CLUSTER", "INFO"), "a cluster", 30)
        with hosted(serving, redis, "redis") as host:
            host.logged(f"{LOST}.*(?i:crossslot)")
            assert ready(host)[0] == 503


@pytest.mark.parametrize("rule", ["~asgijobs", "~asgi:group:other"])
def test_a_key_that_is_not_permitted_takes_no_messages_and_the_rest_goes_on(serving, redis, proxy, group, rule):
    with hosted(serving, proxy, "redis") as host:
        clients = room(host, group, 2)
        allowed = ["~asgispecific*", "~asgi:narrowboat:*", f"~asgi:group:{group}", "~asgi:group:narrowboat*"]
        permit(redis, "resetkeys", *allowed)
        command = "send jobs" if rule == "~asgijobs" else "group-send other"
        for number in range(3):
            clients[0].ask(f"{command} {number}")
            eventually(lambda: counted(host, "lost") == number + 1, "a lost message")
            assert all(reached(clients, group, f"goes on {number}"))
        assert ready(host)[0] == 200
        assert LOST not in host.log()
        permit(redis, rule)
        clients[0].ask(f"{command} last")
        assert all(reached(clients, group, "last"))
        assert counted(host, "lost") == 3


def test_a_server_refuses_an_idle_host_too(serving, redis, proxy):
    with hosted(serving, proxy, "redis") as host:
        eventually(lambda: ready(host)[0] == 200, "ready")
        redis.ask("CONFIG", "SET", "maxmemory", 1)
        eventually(lambda: ready(host)[0] == 503, "not ready")
        redis.ask("CONFIG", "SET", "maxmemory", 0)
        eventually(lambda: ready(host)[0] == 200, "ready")
        host.logged(BACK)
        assert (host.log().count(LOST), host.log().count(BACK)) == (1, 1)


def test_a_command_refused_once_loses_what_it_carried_and_nothing_else(serving, proxy, group):
    with hosted(serving, proxy, "redis") as host:
        clients = room(host, group, 2)
        proxy.answer("ERR something else", ["EVAL"], times=1)
        clients[0].send(f"group-send {group} refused")
        eventually(lambda: counted(host, "lost") == 1 or comes(clients[1], "message: refused", 0.1))
        assert all(reached(clients, group, "goes on"))
        assert ready(host)[0] == 200
        eventually(lambda: host.log().count(LOST) == host.log().count(BACK), "a layer that is back")


def test_the_log_says_how_much_an_outage_lost(serving, redis, proxy, group):
    with hosted(serving, proxy, "redis") as host:
        clients = room(host, group, 2)
        redis.ask("CONFIG", "SET", "maxmemory", 1)
        clients[0].send(f"group-send {group} refused")
        host.logged(LOST)
        redis.ask("CONFIG", "SET", "maxmemory", 0)
        told = host.logged(rf"{BACK} .*lost=(\d+)")
        assert int(told[1]) == counted(host, "lost") == 1


def test_the_log_says_how_much_expired_in_an_outage(serving, redis, proxy, group):
    with serving("commander", layer=layer([proxy], backend="redis", expiry="2s"), admin=ADMIN) as host:
        clients = room(host, group, 2)
        proxy.refuse()
        proxy.cut()
        clients[0].send(f"group-send {group} begins")
        host.logged(LOST)
        for number in range(3):
            clients[0].send(f"group-send {group} {number}")
        time.sleep(3)
        proxy.accept()
        told = host.logged(rf"{BACK} .*lost=(\d+)")
        assert int(told[1]) == counted(host, "lost") >= 3


def test_the_log_has_the_cause_where_the_first_connection_only_broke(serving, redis, proxy):
    with hosted(serving, proxy, "redis") as host:
        login(redis, proxy)
        # The first error is a broken connection, or already the reply on a new connection.
        host.logged("channel layer (lost|is still lost).*(?i:noauth|authentication)")
        redis.ask_after_login("secret", "CONFIG", "SET", "requirepass", "")
        host.logged(BACK)
        assert host.log().count(LOST) == 1 and host.log().count("still lost") <= 1


def test_a_host_that_stops_does_not_say_that_its_layer_is_back(serving, proxy):
    with hosted(serving, proxy, "redis") as host:
        proxy.refuse()
        proxy.cut()
        host.logged(LOST)
        assert host.stop() == 0
        assert BACK not in host.log()


# Keys of another type.


def test_messages_to_a_group_key_of_another_type_are_lost_and_the_rest_goes_on(serving, redis, proxy, group):
    with hosted(serving, proxy, "redis") as host:
        clients = room(host, group, 2)
        redis.ask("SET", "asgi:group:other", "something else")
        assert clients[0].ask("add other") == "ok"
        assert clients[0].ask("group-send other anyone?") == "ok"
        eventually(lambda: counted(host, "lost") == 1, "a lost message")
        host.logged("Redis refused .*(?i:wrongtype)")
        assert all(reached(clients, group, "goes on"))
        assert ready(host)[0] == 200
        assert LOST not in host.log() and counted(host, "malformed") == 0


def test_a_message_to_a_channels_key_of_another_type_is_lost(serving, redis, proxy):
    with hosted(serving, proxy, "redis") as host:
        client = host.connect("/commander/")
        redis.ask("SET", "asgijobs", "something else")
        assert client.ask("send jobs hello") == "ok"
        eventually(lambda: counted(host, "lost") == 1, "a lost message")
        host.logged("asgijobs holds something else")
        assert ready(host)[0] == 200
        assert LOST not in host.log() and counted(host, "malformed") == 0


# Data lost without a disconnect.


def flush(redis):
    assert redis.ask("FLUSHALL") == b"+OK\r\n"


def swap(redis):
    assert redis.ask("SWAPDB", 0, 1) == b"+OK\r\n"


@pytest.mark.parametrize("lose", [flush, swap])
def test_a_servers_lost_data_is_noticed_by_the_next_message(serving, redis, proxy, group, lose):
    with hosted(serving, proxy, "redis") as host:
        clients = room(host, group, 3)
        for number in range(5):
            lose(redis)
            assert all(reached(clients, group, f"message {number}"))
        host.logged("Redis has lost what was written to it")
        assert ready(host)[0] == 200
        assert LOST not in host.log() and counted(host, "lost") == 0


@pytest.mark.parametrize("lose", [flush, swap])
def test_a_servers_lost_data_is_noticed_without_a_message(serving, redis, proxy, group, lose):
    with hosted(serving, proxy, "redis") as host:
        sender, left, *members = room(host, group, 3)
        assert left.ask(f"discard {group}") == "ok"
        lose(redis)
        for client in [sender, *members]:
            joined([redis], group, client.ask("channel"))
        with peer([redis]) as django:
            django.group_send(group, text("from Django"))
        assert members[0].recv() == "message: from Django"
        assert answers(left) == []
        assert LOST not in host.log()


def test_an_evicted_group_is_written_again(serving, redis, proxy, group):
    with hosted(serving, proxy, "redis") as host:
        clients = room(host, group, 2)
        redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
        used = int(re.search(rb"used_memory:(\d+)", redis.ask("INFO", "memory"))[1])
        redis.ask("CONFIG", "SET", "maxmemory", used + (1 << 20))
        filling = iter(range(1 << 20))

        def evicted():
            for _ in range(100):
                redis.ask("SET", f"filler{next(filling)}", "x" * 10_000)
            return redis.ask("EXISTS", f"asgi:group:{group}") == b":0\r\n"

        eventually(evicted, "the group's eviction", 60)
        redis.ask("CONFIG", "SET", "maxmemory", 0)
        for client in clients:
            joined([redis], group, client.ask("channel"))
        host.logged("set its maxmemory-policy to noeviction")
        assert all(reached(clients, group, "still here"))
        assert LOST not in host.log()


# Clocks.


@pytest.mark.parametrize("ahead", [-120, 120])
def test_a_sender_whose_clock_differs_by_more_than_expiry_is_heard(
    serving, redis, proxy, group, clock, ahead
):
    with hosted(serving, proxy, "redis") as host, peer([redis]) as django:
        members = room(host, group, 2)
        clock.ahead = ahead
        django.group_send(group, text("from another time"))
        assert all(comes(member, "message: from another time", DEADLINE) for member in members)
        assert (counted(host, "lost"), counted(host, "expired")) == (0, 0)
        assert ready(host)[0] == 200
        assert LOST not in host.log()


# The key-value store.


def test_keyvalue_tells_the_guest_and_the_log_once(serve, redis, proxy):
    keyvalue = {"backend": "redis", "hosts": [proxy.address]}
    host = serve("keeper", top={"keyvalue": keyvalue})
    client = host.connect("/keeper/")
    assert client.ask("notes set a 1") == "ok"
    redis.ask("SCRIPT", "FLUSH")
    assert client.ask("notes set a 2") == "ok", "NOSCRIPT: the script is sent again"
    for error in ["NOREPLICAS too few", "READONLY a replica", "OOM no memory", "MISCONF no disk", "BUSY a script"]:
        since, connections, began = len(host.log()), proxy.accepted, time.monotonic()
        proxy.answer(error, WRITES)
        for _ in range(10):
            assert client.ask("notes set a 3") == (
                f'error: key-value store unavailable: {error.split()[0]} (bucket "notes", key "a")'
            )
            # Other operations do not affect this one.
            assert client.ask("notes get a").startswith("= ")
        # At least a second passes between new connections, because another server may respond.
        assert proxy.accepted - connections <= 1 + (time.monotonic() - began)
        proxy.answer(None)
        assert client.ask("notes set a 4") == "ok"
        assert client.ask("notes get a") == "= 4"
        host.logged('keyvalue: Redis refuses the operation .*operation="set"', since)
        host.logged('keyvalue: Redis accepts the operation again .*operation="set"', since)
        assert host.log()[since:].count("keyvalue: Redis ") == 2


def test_keyvalue_tells_once_of_a_redis_that_is_away(serve, redis, proxy):
    host = serve("keeper", top={"keyvalue": {"backend": "redis", "hosts": [proxy.address]}})
    client = host.connect("/keeper/")
    assert client.ask("notes set a 1") == "ok"
    proxy.refuse()
    proxy.reset()
    for asked in ["set a 2", "get a", "exists a", "set a 2"]:
        assert client.ask(f"notes {asked}").startswith("error: key-value store unavailable")
    proxy.accept()
    assert client.ask("notes get a") == "= 1"
    assert client.ask("notes set a 3") == "ok"
    host.logged("keyvalue: Redis responds again")
    assert host.log().count("keyvalue: Redis ") == 2


def test_every_row_of_the_table_is_tested():
    rows = re.findall(r"^\| \**`?([^|`*]+?)`?\** \|", TABLE.read_text(), re.M)
    tested = {name.split(" to ")[0] for name in FAULTS} | {
        "WRONGTYPE",
        "NOSCRIPT",
        "data flushed without a disconnect",
        "keys evicted",
        "a clock behind by more than expiry",
        "a clock ahead by more than expiry",
    }
    assert tested <= set(rows), tested - set(rows)
