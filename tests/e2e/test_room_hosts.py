"""Rooms on several hosts that share a Redis: a room has one owner at a time, and its state is never written by another."""

import itertools
import random
import signal
import threading
import time
from contextlib import ExitStack

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from admin import Admin
from faulty import Proxy
from redis_server import Redis
from room_hosts import LEASE, redis, response, start, taken_over, visit
from support import eventually


def test_a_room_is_on_one_host_and_others_say_when_to_try_again(start, redis):
    first, second = start(redis.address, 2)
    visitor = visit(first)
    assert visitor.ask("add") == "1"
    refused = response(second)
    assert refused.status == 503
    assert 1 <= int(refused.header("Retry-After")) <= LEASE
    assert refused.body == b"another host has the room; try again\n"
    # The owner renews its lease.
    first.silence(2 * LEASE)
    assert response(second).status == 503
    assert visitor.ask("add") == "2"
    assert visit(second, "blue").ask("add") == "1"


def test_a_room_that_sleeps_wakes_on_any_host_at_once(start, redis):
    first, second = start(redis.address, 2)
    visitor = visit(first)
    assert visitor.ask("add") == "1"
    visitor.close()
    first.logged('a room sleeps .*room="red"')
    eventually(lambda: response(second).status == 101, "the room on the other host", LEASE / 2)
    assert visit(second).ask("add") == "2"


def test_a_room_of_a_host_that_stops_wakes_on_another_one_at_once(start, redis):
    first, second = start(redis.address, 2)
    visitor = visit(first)
    assert visitor.ask("add") == "1"
    first.stop()
    assert visit(second).ask("add") == "2"


def test_a_room_of_a_host_that_was_killed_wakes_when_its_lease_ends(start, redis):
    first, second = start(redis.address, 2)
    visitor = visit(first)
    assert [visitor.ask("add") for _ in range(3)] == ["1", "2", "3"]
    first.stop(signal.SIGKILL)
    assert response(second).status == 503
    assert taken_over(second).ask("add") == "4"


def test_a_host_that_was_stopped_past_its_lease_writes_nothing_and_closes_the_room(start, redis):
    first, second = start(redis.address, 2)
    visitor = visit(first)
    assert visitor.ask("add") == "1"
    first.send_signal(signal.SIGSTOP)
    try:
        # The event waits in the socket of the host, all of whose threads are stopped.
        first.silence(0.2)
        visitor.send("add")
        other = taken_over(second)
        assert other.ask("add") == "2"
    finally:
        first.send_signal(signal.SIGCONT)
    messages, closure = visitor.rest()
    assert messages == [] and closure == (1012, "room restarted")
    first.logged("a room closes: its lease has ended")
    assert other.ask("add") == "3"


def test_a_host_that_is_cut_off_from_redis_closes_its_rooms(start, redis):
    with Proxy(redis.port) as proxy:
        first = start(f"redis://127.0.0.1:{proxy.port}")
        second = start(redis.address)
        visitor = visit(first)
        assert visitor.ask("add") == "1"
        proxy.stall()
        other = taken_over(second)
        assert visitor.ended() == (1012, "room restarted")
        assert other.ask("add") == "2"
        proxy.go_on()
        other.close()
        second.logged('a room sleeps .*room="red"')
        assert taken_over(first).ask("add") == "3"


def test_a_short_absence_of_redis_closes_no_room_that_saves_when_idle(start, redis):
    host = start(redis.address, room_save="idle")
    visitor = visit(host)
    assert visitor.ask("add") == "1"
    redis.kill()
    assert visitor.ask("add") == "2"
    redis.start()
    host.silence(2 * LEASE)
    assert visitor.ask("add") == "3"


def test_a_long_absence_of_redis_closes_rooms_and_loses_no_saved_state(start, redis):
    host = start(redis.address)
    visitor = visit(host)
    assert [visitor.ask("add") for _ in range(3)] == ["1", "2", "3"]
    redis.kill()
    assert visitor.ended() == (1012, "room restarted")
    assert response(host).status == 503
    redis.start()
    assert taken_over(host).ask("get") == "3"


def test_a_redis_that_has_lost_the_leases_closes_the_rooms(start, redis):
    host = start(redis.address, room_save="idle")
    visitor = visit(host)
    assert visitor.ask("add") == "1"
    redis.ask("FLUSHALL")
    assert visitor.ended() == (1012, "room restarted")
    assert visit(host).ask("get") == "0"


def test_a_room_outlives_a_failover_by_a_sentinel(start):
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
        host = start({"sentinels": [["127.0.0.1", sentinel.port]], "master_name": "site"})
        visitor = visit(host)
        assert [visitor.ask("add") for _ in range(3)] == ["1", "2", "3"]
        # The replica has what the master has acknowledged.
        replicated = lambda: master.ask("WAIT", "1", "1000").startswith(b":1")
        eventually(replicated, "the state on the replica")
        master.kill()
        eventually(lambda: b"master" in replica.ask("ROLE"), "the failover", 60)
        # The room closes if its lease has ended before the failover.
        host.silence(2 * LEASE)
        eventually(lambda: response(host).status == 101, "the room after the failover", 60)
        assert visit(host).ask("add") == "4"


def test_the_alarm_of_a_room_whose_host_was_killed_is_handled_by_another_host(start, redis):
    first, second = start(redis.address, 2)
    visitor = visit(first)
    assert visitor.ask("alarm in 500") == "set"
    first.stop(signal.SIGKILL)
    eventually(lambda: alarms(second) == 1)
    assert visit(second).ask("alarm") == "none"


def test_an_alarm_of_a_room_that_sleeps_is_handled_once(start, redis):
    hosts = start(redis.address, 3)
    visitor = visit(hosts[0])
    assert visitor.ask("alarm in 1000") == "set"
    visitor.close()
    handled = lambda: sum(alarms(host) for host in hosts)
    eventually(lambda: handled() == 1)
    hosts[0].silence(6)
    assert handled() == 1


def alarms(host):
    lines = Admin(host).ask("/metrics").body.decode().splitlines()
    return sum(int(line.split()[-1]) for line in lines if line.startswith("narrowboat_room_alarms_total{"))


def add_events(host, counts, goes_on):
    """Visits the room again and again, whenever this host has it, and records the answers to its events."""
    while goes_on():
        try:
            visitor = visit(host)
            for _ in range(20):
                counts.append(int(visitor.ask("add")))
            visitor.close()
        except (ConnectionClosed, InvalidHandshake, TimeoutError, OSError):
            pass
        time.sleep(random.random() / 2)


def test_three_hosts_never_write_two_states_for_one_event(start, redis):
    hosts = start(redis.address, 3)
    end = time.monotonic() + 24
    counts = [[] for _ in hosts]
    drivers = [threading.Thread(target=add_events, args=(host, own, lambda: time.monotonic() < end)) for host, own in zip(hosts, counts)]
    [driver.start() for driver in drivers]
    for host in (hosts[0], hosts[1], hosts[2]):
        time.sleep(1.5)
        host.send_signal(signal.SIGSTOP)
        time.sleep(LEASE + 1)
        host.send_signal(signal.SIGCONT)
    redis.kill()
    redis.start()
    hosts[0].stop(signal.SIGKILL)
    [driver.join() for driver in drivers]
    answered = sorted(itertools.chain(*counts))
    # An owner that wrote after the next one would have answered a number twice.
    assert answered == sorted(set(answered))
    assert all(counts), "one host never had the room"
    assert int(taken_over(hosts[1]).ask("get")) >= answered[-1]
