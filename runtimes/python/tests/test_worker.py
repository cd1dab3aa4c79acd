"""A worker handles the messages of named channels."""

import pytest
from instance import Failed, start

SYNC = """
from asgiref.sync import async_to_sync
from channels.consumer import SyncConsumer

class Jobs(SyncConsumer):
    def __init__(self):
        self.count = 0

    def job_add(self, event):
        self.count += 1
        layer = self.channel_layer
        async_to_sync(layer.send)(event["reply_to"], {"type": "job.done", "n": self.count, "at": self.scope["channel"]})
"""

ASYNC = """
import asyncio
from channels.consumer import AsyncConsumer

class Jobs(AsyncConsumer):
    async def job_add(self, event):
        await asyncio.sleep(0)
        await self.channel_layer.send(event["reply_to"], {"type": "job.done"})

    async def job_wait(self, event):
        await asyncio.sleep(1)

    async def job_fail(self, event):
        1 / 0

    async def job_reply(self, event):
        await self.send({"type": "websocket.send", "text": "x"})
"""


def test_a_synchronous_worker_handles_messages_by_type():
    instance = start({"jobs.py": SYNC}, worker="jobs:Jobs")
    for _ in range(2):
        assert instance.work("jobs", {"type": "job.add", "reply_to": "a"}) == "HANDLED"
    (_, second) = instance.take_effects()
    assert second == ("layer_send", "a", instance.pack({"type": "job.done", "n": 2, "at": "jobs"}))


def test_an_asynchronous_worker_handles_messages_by_type():
    instance = start({"jobs.py": ASYNC}, worker="jobs:Jobs")
    assert instance.work("jobs", {"type": "job.add", "reply_to": "a"}) == "HANDLED"
    assert instance.take_effects()[0][:2] == ("layer_send", "a")


def test_each_channel_has_a_worker_of_its_own():
    instance = start({"jobs.py": SYNC}, worker="jobs:Jobs")
    instance.work("one", {"type": "job.add", "reply_to": "a"})
    instance.work("two", {"type": "job.add", "reply_to": "a"})
    assert instance.take_effects()[1][2] == instance.pack({"type": "job.done", "n": 1, "at": "two"})


def test_an_unknown_type_is_not_an_error():
    instance = start({"jobs.py": ASYNC}, worker="jobs:Jobs")
    assert instance.work("jobs", {"type": "no"}) == "UNKNOWN_TYPE"


@pytest.mark.parametrize(
    "type, text",
    [
        (
            "job.wait",
            "a worker cannot wait for time or for another message, and this one waits at jobs.py:11 in job_wait",
        ),
        ("job.fail", r"ZeroDivisionError: division by zero \(jobs.py:14 in job_fail\)"),
        ("job.reply", "a worker has no client"),
    ],
)
def test_a_failure_is_an_error(type, text):
    instance = start({"jobs.py": ASYNC}, worker="jobs:Jobs")
    with pytest.raises(Failed, match=text):
        instance.work("jobs", {"type": type})


def test_without_a_worker_it_is_an_error():
    instance = start("from channels.generic.websocket import *\nclass A(WebsocketConsumer): pass\n")
    with pytest.raises(Failed, match='worker = "module:Class"'):
        instance.work("jobs", {"type": "a"})


def test_a_message_that_takes_too_long_names_the_limit_of_workers():
    code = "from channels.consumer import SyncConsumer\nclass Jobs(SyncConsumer):\n    def job_loop(self, event):\n        while True: pass\n"
    instance = start(code, worker="consumers:Jobs")
    with pytest.raises(Failed, match="of limits.worker_time"):
        instance.work("jobs", {"type": "job.loop"})
