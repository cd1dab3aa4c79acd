"""Repeated swaps: under a crowd that counts every message, with a file that keeps changing, and with a host that is
killed or stopped during a swap."""

import asyncio
import json
import re
import threading
import time
from contextlib import contextmanager
from signal import SIGKILL, SIGTERM

import pytest
from websockets.asyncio.client import connect

from support import counted, eventually, short

pytestmark = pytest.mark.alone

CROWD, GROUPS = 150, 15

# Messages of a member in flight.
WINDOW = 3


class Member:
    """A client that sends numbers to its consumer and to a group."""

    def __init__(self, crowd, index):
        self.crowd, self.index, self.group = crowd, index, index % GROUPS
        # The last number that came back from the consumer, and from each member of the group.
        self.echoed, self.heard = 0, dict.fromkeys(range(self.group, CROWD, GROUPS), 0)
        self.sent = self.messages = 0

    async def run(self, url):
        async with connect(url, proxy=None) as self.socket:
            await self.socket.send(f"join {self.group}")
            await self.socket.send("joined")
            await self.socket.recv()
            await self.crowd.all_there.wait()
            while not self.crowd.over.is_set():
                self.sent += 1
                await self.socket.send(f"{self.index}:{self.sent}")
                await self.socket.send(f"group {self.group} {self.index}:{self.sent}")
                while min(self.echoed, self.heard[self.index]) < self.sent - WINDOW:
                    await self.take()
            await self.crowd.all_quiet.wait()
            while self.echoed < self.sent or self.heard != self.crowd.sent(self.heard):
                await self.take()
            await self.socket.send("count")
            told = json.loads(await self.socket.recv())
            # Three messages besides the loop: two at the start and this request. In the loop, one for each direction.
            return told["count"], 3 + 2 * self.sent + self.messages

    async def take(self):
        async with asyncio.timeout(30):
            *echo, text = (await self.socket.recv()).split()
        sender, number = map(int, text.split(":"))
        if echo:
            assert (sender, number) == (self.index, self.echoed + 1)
            self.echoed = number
        else:
            assert number == self.heard[sender] + 1, (self.index, sender)
            self.heard[sender] = number
            self.messages += 1


class Crowd(threading.Thread):
    """A number of members in an event loop of their own, until the crowd is over."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.url, self.over, self.error = url, threading.Event(), None
        self.members = [Member(self, index) for index in range(CROWD)]

    def sent(self, indices):
        return {index: self.members[index].sent for index in indices}

    def run(self):
        try:
            self.counts = asyncio.run(self.meet())
        except BaseException as error:
            self.error = error

    async def meet(self):
        self.all_there, self.all_quiet = asyncio.Barrier(CROWD), asyncio.Barrier(CROWD)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(member.run(self.url)) for member in self.members]
        return [task.result() for task in tasks]

    def messages(self):
        assert self.error is None, self.error
        return sum(member.messages for member in self.members)

    def disperse(self):
        self.over.set()
        self.join(60)
        assert self.error is None, self.error


@contextmanager
def crowd(served):
    crowd = Crowd(served.host.url("/traveller/"))
    crowd.start()
    try:
        eventually(crowd.messages, "the first message")
        yield crowd
    finally:
        crowd.disperse()


LOST = re.compile(r"lost_events=(\d+)")


@pytest.mark.parametrize("isolation", ["connection", "shared"])
def test_nothing_is_lost_doubled_or_out_of_order(travel, isolation, figure):
    served = travel(isolation=isolation, layer={"capacity": 100_000, "mailbox_bytes": "64 MiB"})

    def goes_back(plan):
        served.swap(plan)
        served.host.logged(f'version rolled back; .*version="{short(served.version(plan))}"', deadline=30)

    with crowd(served) as people:
        served.swap("v2")
        served.refuse("v3 load-fails")
        served.swap("v1")
        served.refuse("v3 restore-fails")
        goes_back("v3 traps-at=100")
        served.swap("v2")
        goes_back("v4 traps-at=100")
        served.swap("v1")
        served.swap("v2")
    undone = sum(map(int, LOST.findall(served.host.log())))
    counts, events = map(sum, zip(*people.counts, strict=True))
    assert counts + undone == events
    assert undone > 0
    moves = re.findall(r" moved=(\d+) moved_in_ms=(\d+)", served.host.log())
    slowest = max(int(milliseconds) for _, milliseconds in moves)
    what = f"{CROWD} consumers of isolation {isolation} that exchange messages"
    figure(what, f"moved within {slowest} ms; {events} events, of which {undone} undone")


def test_a_file_that_changes_ten_times_a_second(travel, figure, seconds=5):
    served = travel()
    client, end, number = served.connect(), time.monotonic() + seconds, 0
    served.swap("v0")
    memory, told = served.host.rss(), counted(client)["count"]
    while time.monotonic() < end:
        number += 1
        served.put(f"v{number % 7}")
        # Ask for a tenth of a second.
        pause = time.monotonic() + 0.1
        while time.monotonic() < pause:
            again = counted(client)["count"]
            assert again == told + 1
            told = again
    served.swap("last")
    assert counted(client)["version"] == "last"
    swaps = served.host.log().count("version is live")
    assert "WARN" not in served.host.log()
    assert swaps > 2
    grown = (served.host.rss() - memory) / 1024 / 1024
    assert grown < 64
    what = f"{number} changes of a file in {seconds} s"
    figure(what, f"{swaps} swaps, {told} questions answered, {grown:.0f} MiB more memory")


@pytest.mark.parametrize("moment", [0, 0.05, 0.1, 0.2])
def test_a_host_that_is_killed_in_the_middle_serves_the_new_version_when_it_is_back(travel, moment):
    served = travel()
    clients = served.clients(20)
    name = f"killed{moment}"
    served.put(name)
    # The test varies this moment.
    time.sleep(moment)
    assert served.host.stop(SIGKILL) == -SIGKILL
    for client in clients:
        assert client.rest()[1] == (1006, "")
    again = travel(table={"component": str(served.file)})
    assert counted(again.connect())["version"] == name


@pytest.mark.parametrize("isolation", ["connection", "shared"])
def test_a_host_that_is_stopped_in_the_middle_of_a_swap_ends_in_time(travel, isolation):
    served = travel(isolation=isolation, limits={"call_time": "1m"})
    clients = served.clients(60)
    for client in clients:
        client.ask("once")
    since = len(served.host.log())
    served.put("v2 busy-restore=200")
    if isolation == "connection":
        # Two consumers move at a time, so the first moves long before the last.
        eventually(lambda: counted(clients[0])["version"] == "v2", "the first move")
    else:
        eventually(lambda: is_held_up(clients[0]), "the move of all")
    assert "version is live" not in served.host.log()[since:]
    assert served.host.stop(SIGTERM) == 0
    assert {client.rest()[1][0] for client in clients} == {1001}


def is_held_up(client):
    """Whether a reply is delayed."""
    client.send("are you there")
    try:
        client.recv(timeout=0.2)
    except TimeoutError:
        return True
    return False
