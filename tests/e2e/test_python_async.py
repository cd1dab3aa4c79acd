"""Source plugins in Python: coroutines that wait, on the timers of the host."""

import pytest

from python_plugin import ASYNC
from support import UPGRADE

both_isolations = pytest.mark.parametrize("isolation", ["shared", "connection"])


def handler(*lines):
    """A consumer whose `receive` has these lines."""
    body = "\n".join("        " + line for line in "\n".join(lines).splitlines())
    return ASYNC + f"""
class Waiter(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
{body}
"""


# The handshake.

LATE = ASYNC + """
class Late(AsyncWebsocketConsumer):
    async def connect(self):
        await asyncio.sleep(0.05)
        if self.scope["query_string"] == b"deny":
            return await self.close()
        if self.scope["query_string"] == b"fail":
            raise LookupError("too late")
        await self.accept(headers=[(b"x-late", b"yes")])
        await self.send(text_data="accepted")
        await asyncio.sleep(0.05)
        await self.send(text_data="connected")

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=text_data)
"""


@both_isolations
def test_connect_may_wait_before_and_after_it_accepts(python, isolation):
    client = python(LATE, isolation=isolation).connect()
    assert client.response.headers["x-late"] == "yes"
    assert client.take(2) == ["accepted", "connected"]
    assert client.ask("hello") == "hello"


@both_isolations
@pytest.mark.parametrize("query, status", [("deny", 403), ("fail", 500)])
def test_connect_may_wait_before_it_rejects(python, isolation, query, status):
    raw = python(LATE, isolation=isolation).host.tcp()
    raw.request(f"/chat/?{query}")
    assert raw.response().status == status


def test_frames_that_arrive_while_connect_waits_are_handled_after_it(python):
    raw = python(LATE).host.tcp()
    raw.request("/chat/", headers=UPGRADE)
    assert raw.response().status == 101
    raw.send_frame(1, b"early")
    assert [raw.recv_frame()[1] for _ in range(3)] == [b"accepted", b"connected", b"early"]


def test_a_connect_that_never_decides_ends_with_the_time_out_of_the_handshake(python):
    plugin = python(ASYNC + """
class Never(AsyncWebsocketConsumer):
    async def connect(self):
        await asyncio.sleep(3600)
""", limits={"handshake_timeout": "500ms"})
    raw = plugin.host.tcp()
    raw.request("/chat/")
    assert raw.response().status >= 500


# Handlers.


@both_isolations
def test_a_handler_may_sleep_and_others_are_served_meanwhile(python, isolation):
    plugin = python(handler(
        "if text_data == 'sleep':",
        "    await asyncio.sleep(1)",
        "await self.send(text_data=text_data)",
    ), isolation=isolation)
    client, other = plugin.clients(2)
    client.send("sleep")
    assert other.ask("awake") == "awake"
    assert client.recv() == "sleep"


def test_messages_of_a_client_wait_for_the_handler_that_runs(python):
    client = python(handler("await asyncio.sleep(0.2 / int(text_data))", "await self.send(text_data=text_data)")).connect()
    for number in "123":
        client.send(number)
    assert client.take(3) == ["1", "2", "3"]


def test_messages_of_the_layer_wait_for_the_handler_that_runs(python):
    client = python(ASYNC + """
class Waiter(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.send(self.channel_name, {"type": "note"})
        await asyncio.sleep(0.2)
        await self.send(text_data="received")

    async def note(self, event):
        await self.send(text_data="noted")
""").connect()
    client.send("go")
    assert client.take(2) == ["received", "noted"]


def test_gather_waits_for_all(python):
    client = python(handler(
        "async def double(n):",
        "    await asyncio.sleep(n / 100)",
        "    return 2 * n",
        "await self.send(text_data=str(await asyncio.gather(double(3), double(1), double(2))))",
    )).connect()
    assert client.ask("go") == "[6, 2, 4]"


@pytest.mark.parametrize("wait", ["await asyncio.wait_for(asyncio.sleep(60), 0.05)", "async with asyncio.timeout(0.05): await asyncio.sleep(60)"])
def test_a_time_limit_cancels(python, wait):
    client = python(handler(
        "try:",
        f"    {wait}",
        "except TimeoutError:",
        "    await self.send(text_data='timed out')",
    )).connect()
    assert client.ask("go") == "timed out"


def test_a_task_goes_on_after_its_handler(python):
    client = python(handler(
        "async def beat():",
        "    for number in range(3):",
        "        await asyncio.sleep(0.02)",
        "        await self.send(text_data=str(number))",
        "self.beat = asyncio.create_task(beat())",
        "await self.send(text_data='started')",
    )).connect()
    assert client.ask("go") == "started"
    assert client.take(3) == ["0", "1", "2"]


def test_a_task_group_an_event_and_a_queue_join_tasks(python):
    client = python(handler(
        "queue, ready = asyncio.Queue(), asyncio.Event()",
        "async def produce():",
        "    await ready.wait()",
        "    await queue.put(text_data)",
        "async def consume():",
        "    await self.send(text_data=await queue.get())",
        "async with asyncio.TaskGroup() as group:",
        "    group.create_task(consume())",
        "    group.create_task(produce())",
        "    await asyncio.sleep(0.02)",
        "    ready.set()",
        "await self.send(text_data='joined')",
    )).connect()
    client.send("item")
    assert client.take(2) == ["item", "joined"]


def test_one_connection_wakes_the_coroutine_of_another(python):
    plugin = python(ASYNC + """
MESSAGES = asyncio.Queue()

class Waiter(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        if text_data == "wait":
            await self.send(text_data="waiting")
            await self.send(text_data=await MESSAGES.get())
        else:
            await MESSAGES.put(text_data)
""")
    waiting, waking = plugin.clients(2)
    assert waiting.ask("wait") == "waiting"
    waking.send("hello")
    assert waiting.recv() == "hello"


@both_isolations
def test_an_exception_after_a_wait_closes_this_connection_alone(python, isolation):
    plugin = python(handler(
        "if text_data == 'fail':",
        "    await asyncio.sleep(0.02)",
        "    raise LookupError('late')",
        "await self.send(text_data=text_data)",
    ), isolation=isolation)
    client, other = plugin.clients(2)
    client.send("fail")
    assert client.ended() == (1011, "consumer failed")
    plugin.host.logged(r"LookupError: late \(consumers\.py:8 in receive\)")
    assert other.ask("here") == "here"


def test_an_exception_in_a_task_is_logged_with_its_line(python):
    plugin = python(handler(
        "async def fail():",
        "    raise LookupError('in a task')",
        "asyncio.create_task(fail())",
        "await self.send(text_data='started')",
    ))
    client = plugin.connect()
    assert client.ask("go") == "started"
    plugin.host.logged(r"(?s)the task Task-\d+ failed.*LookupError: in a task")
    assert client.is_served()


def test_a_handler_that_waits_is_cancelled_when_its_client_leaves(python):
    plugin = python(handler(
        "try:",
        "    await self.send(text_data='waiting')",
        "    await asyncio.sleep(3600)",
        "finally:",
        "    print('cleaned up')",
    ))
    client = plugin.connect()
    assert client.ask("wait") == "waiting"
    client.close()
    plugin.host.logged("cleaned up")


def test_too_many_messages_behind_a_handler_that_waits_are_an_error_with_its_line(python):
    plugin = python(handler("await asyncio.sleep(3600)"))
    client = plugin.connect()
    for _ in range(1_002):
        client.send("x")
    assert client.ended()[0] == 1011
    plugin.host.logged(r"1000 events wait for the handler that waits at consumers\.py:6 in receive")
