"""asyncio runs on the timers of the host."""

import pytest
from instance import Failed, start

HEADER = """
import asyncio
from channels.generic.websocket import AsyncWebsocketConsumer

class Chat(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
"""


def chat(body, rest=""):
    lines = "\n".join("        " + line for line in body.splitlines())
    instance = start(HEADER + lines + "\n" + rest)
    return instance, instance.connect()


def sent(effects):
    return [effect[2] for effect in effects if effect[0] == "send"]


def test_sleep_is_a_timer_of_the_host():
    _, client = chat("await asyncio.sleep(0.5)\nawait self.send(text_data='late')")
    assert client.send("x") == [("set_timer", client.name, 1, 500)]
    assert sent(client.fire(1)) == ["late"]


def test_a_step_runs_until_nothing_is_ready():
    _, client = chat("for _ in range(50):\n    await asyncio.sleep(0)\nawait self.send(text_data='done')")
    assert sent(client.send("x")) == ["done"]


def test_messages_queue_behind_the_handler_that_runs():
    _, client = chat("if text_data == 'first':\n    await asyncio.sleep(1)\nawait self.send(text_data=text_data)")
    client.send("first")
    assert client.send("second") == []
    assert sent(client.fire(1)) == ["first", "second"]


def test_too_many_queued_messages_are_an_error():
    instance, client = chat("await asyncio.sleep(1)")
    for _ in range(1001):
        client.send("x")
    with pytest.raises(Failed, match="1000 events wait for the handler that waits at consumers.py:7 in receive"):
        client.send("x")


def test_gather_and_wait_for_work():
    body = """
async def double(n):
    await asyncio.sleep(n)
    return 2 * n
result = await asyncio.wait_for(asyncio.gather(double(1), double(2)), 5)
await self.send(text_data=str(result))
"""
    _, client = chat(body.strip())
    effects = client.send("x")
    timers = {effect[3]: effect[2] for effect in effects if effect[0] == "set_timer"}
    assert sorted(timers) == [1000, 2000, 5000]
    client.fire(timers[1000])
    assert sent(client.fire(timers[2000])) == ["[2, 4]"]


def test_timeout_raises():
    body = """
try:
    async with asyncio.timeout(1):
        await asyncio.sleep(60)
except TimeoutError:
    await self.send(text_data="timed out")
"""
    _, client = chat(body.strip())
    timers = {effect[3]: effect[2] for effect in client.send("x")}
    effects = client.fire(timers[1000])
    assert sent(effects) == ["timed out"]
    assert ("clear_timer", client.name, timers[60000]) in effects


def test_a_task_group_waits_for_its_tasks():
    body = """
async def say(text):
    await self.send(text_data=text)
async with asyncio.TaskGroup() as group:
    group.create_task(say("a"))
    group.create_task(say("b"))
await self.send(text_data="end")
"""
    _, client = chat(body.strip())
    assert sent(client.send("x")) == ["a", "b", "end"]


def test_primitives_work_between_handlers_and_tasks():
    body = """
queue, lock, event, condition = asyncio.Queue(), asyncio.Lock(), asyncio.Event(), asyncio.Condition()
semaphore = asyncio.Semaphore(1)
async def work():
    await event.wait()
    async with lock, semaphore:
        await self.send(text_data=await queue.get())
    async with condition:
        condition.notify_all()
task = asyncio.create_task(work())
await queue.put("item")
event.set()
async with condition:
    await condition.wait()
done, pending = await asyncio.wait([task])
await self.send(text_data=str(len(done)))
"""
    _, client = chat(body.strip())
    assert sent(client.send("x")) == ["item", "1"]


def test_a_task_goes_on_after_its_handler():
    body = """
async def beat():
    while True:
        await asyncio.sleep(1)
        await self.send(text_data="beat")
self.beat = asyncio.create_task(beat())
"""
    _, client = chat(body.strip())
    client.send("x")
    effects = client.fire(1)
    assert sent(effects) == ["beat"]
    assert sent(client.fire(2)) == ["beat"]


def test_a_timer_belongs_to_the_connection_whose_task_waits():
    rest = """
    async def connect(self):
        await self.accept()
        asyncio.create_task(self.wait())

    async def wait(self):
        await EVENT.wait()
        await asyncio.sleep(1)

EVENT = asyncio.Event()
"""
    instance, client = chat("EVENT.set()", rest)
    other = instance.connect("specific.a!2")
    effects = client.send("x")
    assert sorted(effect[1] for effect in effects if effect[0] == "set_timer") == [client.name, other.name]


def test_an_exception_of_a_task_is_logged():
    body = "async def fail():\n    raise KeyError('task')\nself.task = asyncio.create_task(fail())"
    instance, client = chat(body)
    client.send("x")
    ((level, _, text),) = [entry for entry in instance.host.log if "KeyError" in entry[2]]
    assert level == "error"
    assert 'File "consumers.py", line 8, in fail' in text


def test_an_exception_that_is_awaited_is_not_logged_twice():
    body = """
async def fail():
    raise KeyError('task')
try:
    await asyncio.create_task(fail())
except KeyError:
    pass
"""
    instance, client = chat(body.strip())
    client.send("x")
    assert not any("KeyError" in text for _, _, text in instance.host.log)


def test_a_handler_that_fails_in_a_step_of_another_connection_closes_its_own():
    rest = """
EVENT = asyncio.Event()
"""
    instance, client = chat("if text_data == 'wait':\n    await EVENT.wait()\n    1 / 0\nelse:\n    EVENT.set()", rest)
    other = instance.connect("specific.a!2")
    other.send("wait")
    assert client.send("set") == [("close", other.name, 1011, "")]
    assert any("ZeroDivisionError" in text for _, _, text in instance.host.log)


def test_the_end_of_a_connection_cancels_its_tasks():
    body = """
async def work():
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        print("cancelled")
        raise
self.task = asyncio.create_task(work())
"""
    instance, client = chat(body.strip())
    client.send("x")
    effects = client.disconnect()
    assert ("clear_timer", client.name, 1) in effects
    assert ("info", "print", "cancelled") in instance.host.log


def test_a_handler_that_waits_is_cancelled_before_disconnect():
    rest = """
    async def disconnect(self, code):
        print("disconnect", code)
"""
    body = "try:\n    await asyncio.sleep(60)\nfinally:\n    print('handler ends')"
    instance, client = chat(body, rest)
    client.send("x")
    client.send("lost")
    client.disconnect(1001)
    assert [text for _, context, text in instance.host.log if context == "print"] == ["handler ends", "disconnect 1001"]


def test_disconnect_may_not_wait():
    rest = """
    async def disconnect(self, code):
        await asyncio.sleep(1)
"""
    instance, client = chat("pass", rest)
    client.disconnect()
    assert any(
        "it waits after the end of its connection (consumers.py:10 in disconnect)" in text
        for *_, text in instance.host.log
    )


def test_a_cancelled_sleep_clears_its_timer():
    _, client = chat("task = asyncio.create_task(asyncio.sleep(60))\nawait asyncio.sleep(0)\ntask.cancel()")
    assert client.send("x") == [("set_timer", client.name, 1, 60000), ("clear_timer", client.name, 1)]


def test_an_unknown_timer_is_ignored():
    _, client = chat("pass")
    assert client.fire(99) == []


def test_context_variables_belong_to_the_connection():
    body = """
before = NAME.get("none")
NAME.set(text_data)
await self.send(text_data=before)
"""
    instance, client = chat(body.strip(), "import contextvars\nNAME = contextvars.ContextVar('name')\n")
    other = instance.connect("specific.a!2")
    client.send("a")
    assert sent(other.send("b")) == ["none"]
    assert sent(client.send("c")) == ["a"]


def test_sync_to_async_runs_at_once_and_may_use_async_to_sync():
    body = """
from asgiref.sync import async_to_sync, sync_to_async
from channels.db import database_sync_to_async
async def inner(n):
    return n + 1
def outer(n):
    return async_to_sync(inner)(n)
await self.send(text_data=str(await sync_to_async(outer)(1)))
await self.send(text_data=str(await database_sync_to_async(outer)(2)))
await self.send(text_data=str(await asyncio.to_thread(outer, 3)))
"""
    _, client = chat(body.strip())
    assert sent(client.send("x")) == ["2", "3", "4"]


def test_async_to_sync_within_a_coroutine_is_an_error():
    body = "from asgiref.sync import async_to_sync\nasync_to_sync(self.close)()"
    _, client = chat(body)
    with pytest.raises(Failed, match="You cannot use AsyncToSync in the same thread as an async event loop"):
        client.send("x")


def test_async_to_sync_cannot_wait():
    instance = start(
        """
        import asyncio
        from asgiref.sync import async_to_sync
        from channels.generic.websocket import WebsocketConsumer

        async def wait():
            await asyncio.Event().wait()

        class Chat(WebsocketConsumer):
            def receive(self, text_data=None, bytes_data=None):
                async_to_sync(wait)()
        """
    )
    with pytest.raises(Failed, match=r"would have to wait.*consumers.py:7 in wait"):
        instance.connect().send("x")


def test_async_to_sync_returns_results_and_raises_exceptions():
    instance = start(
        """
        import asyncio
        from asgiref.sync import async_to_sync
        from channels.generic.websocket import WebsocketConsumer

        @async_to_sync
        async def add(a, b):
            await asyncio.sleep(0)
            async with asyncio.timeout(0.5):
                return a + b

        class Chat(WebsocketConsumer):
            def receive(self, text_data=None, bytes_data=None):
                self.send(text_data=str(add(1, 2)))
                add(1, "x")
        """
    )
    client = instance.connect()
    with pytest.raises(Failed, match="TypeError"):
        client.send("x")


def test_the_time_does_not_advance_within_a_step():
    body = """
loop = asyncio.get_running_loop()
first = loop.time()
while time.monotonic() < first + 0.002:
    pass
await self.send(text_data=str(loop.time() == first))
handle = loop.call_at(first + 0.001, print)
"""
    _, client = chat(body.strip(), "import time\n")
    effects = client.send("x")
    assert sent(effects) == ["True"]
    assert ("set_timer", client.name, 1, 1) in effects
    assert client.send("x") != []
