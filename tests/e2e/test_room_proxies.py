"""nginx and HAProxy in front of hosts that share rooms, with the configurations of the book."""

import re
import signal

import pytest

from admin import Admin
from room_hosts import redis, start, visit
from room_proxies import room_proxy
from support import UPGRADE, Raw, eventually

ROOMS = [f"r{number}" for number in range(8)]


class Entrance:
    """The proxy, for clients."""

    def __init__(self, host, port):
        self._host, self.port = host, port

    def connect(self, path):
        return self._host.connect(path, port=self.port)

    def admits(self, room):
        raw = Raw(self.port)
        raw.request(f"/rooms/{room}/", headers=UPGRADE)
        status = raw.response().status
        raw.close_socket()
        return status == 101


def has_rooms(host):
    return re.search(r"^narrowboat_rooms{.*} [1-9]", Admin(host).ask("/metrics").body.decode(), re.MULTILINE)


@pytest.fixture(params=["nginx", "haproxy"])
def enter(request, tmp_path):
    """Starts a proxy in front of hosts."""
    proxies = []

    def run(hosts):
        proxies.append(room_proxy(request.param, hosts, tmp_path))
        return Entrance(hosts[0], proxies[-1].__enter__())

    yield run
    for proxy in proxies:
        proxy.__exit__(None, None, None)


def test_all_visitors_of_a_room_reach_the_same_host(start, redis, enter):
    hosts = start(redis.address, 2)
    entrance = enter(hosts)
    visitors = {room: [visit(entrance, room) for _ in range(3)] for room in ROOMS}
    for clients in visitors.values():
        assert [client.ask("add") for client in clients] == ["1", "2", "3"]
        assert clients[0].ask("everyone") == "3"
    assert all(has_rooms(host) for host in hosts), "one host has all rooms"


def test_visitors_of_a_room_on_the_other_host_reach_it_there(start, redis, enter):
    hosts = start(redis.address, 2)
    # The proxy sends some of these rooms to the first host, which has none.
    there = {room: visit(hosts[1], room) for room in ROOMS}
    entrance = enter(hosts)
    for room, client in there.items():
        assert visit(entrance, room).ask("add") == "1"
        assert client.ask("everyone") == "2"


def test_the_rooms_of_a_host_that_was_killed_are_reached_on_the_other_one(start, redis, enter):
    hosts = start(redis.address, 2)
    entrance = enter(hosts)
    for room in ROOMS:
        assert visit(entrance, room).ask("add") == "1"
    hosts[0].stop(signal.SIGKILL)
    for room in ROOMS:
        eventually(lambda: entrance.admits(room), "the room on the other host")
        assert visit(entrance, room).ask("add") == "2"
