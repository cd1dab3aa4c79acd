"""A call that takes too long raises CallTimeout before the host ends the instance."""

import pytest
from instance import Failed, Problems, start

HEADER = """
import asyncio, itertools
from channels.generic.websocket import {base}

def recursive(n):
    return n if n < 2 else recursive(n - 1) + recursive(n - 2)

fib = lambda n: n if n < 2 else fib(n - 1) + fib(n - 2)

class Chat({base}):
    {prefix}def receive(self, text_data=None, bytes_data=None):
{body}
"""


def run(body, base="WebsocketConsumer", limit=100_000):
    lines = "\n".join("        " + line for line in body.splitlines())
    prefix = "async " if base.startswith("Async") else ""
    instance = start(HEADER.format(base=base, prefix=prefix, body=lines))
    client = instance.connect()
    instance.host.limit = limit
    return instance, client


LOOPS = [
    "while True:\n    pass",
    "for _ in itertools.count():\n    continue",
    "while True: n = 1",
    "[n for n in itertools.count() if n < 0]",
    "sum(1 for n in itertools.count())",
    "{n: m for n in itertools.count() for m in ()}",
    "recursive(60)",
    "fib(60)",
    "max(itertools.count(), key=lambda n: n)",
    "while True:\n    try:\n        pass\n    finally:\n        pass",
    "while True:\n    while True:\n        break",
]


@pytest.mark.parametrize("body", LOOPS)
def test_an_endless_loop_ends_with_its_line(body):
    instance, client = run(body)
    with pytest.raises(Failed) as failed:
        client.send("x")
    text = failed.value.args[0].value
    assert text.startswith("CallTimeout: the call has used") and " ms of limits.call_time (consumers.py:" in text
    assert instance.host.left() > 0
    instance.host.limit = 10_000_000
    assert instance.connect("specific.a!2").decision is not None


def test_an_endless_loop_in_a_coroutine_ends():
    for body in (
        "while True:\n    await asyncio.sleep(0)",
        "async def f():\n    while True:\n        pass\nawait asyncio.gather(f())",
    ):
        instance, client = run(body, "AsyncWebsocketConsumer")
        with pytest.raises(Failed, match="CallTimeout"):
            client.send("x")


def test_an_endless_task_ends_without_its_connection():
    instance, client = run(
        "async def f():\n    while True:\n        pass\nself.task = asyncio.create_task(f())", "AsyncWebsocketConsumer"
    )
    client.send("x")
    assert any("CallTimeout" in text for *_, text in instance.host.log)


def test_a_plugin_may_catch_the_time_out_once():
    instance, client = run("try:\n    while True:\n        pass\nexcept TimeoutError:\n    self.send(text_data='slow')")
    assert client.send("x") == [("send", client.name, "slow")]


def test_a_loop_that_catches_all_exceptions_is_aborted():
    instance, client = run(
        "while True:\n    try:\n        pass\n    except Exception:\n        pass\n    try:\n        recursive(9)\n    except Exception:\n        pass"
    )
    with pytest.raises(Failed, match="CallAborted|CallTimeout"):
        client.send("x")


def test_a_later_call_has_a_time_of_its_own():
    instance, client = run("for _ in range(int(text_data)): pass\nself.send(text_data='done')")
    with pytest.raises(Failed, match="CallTimeout"):
        client.send("100000000")
    assert client.send("10000") == [("send", client.name, "done")]


def test_long_rounds_of_a_loop_are_seen_in_time():
    instance, client = run("while True:\n    sum(range(100_000))", limit=200_000)
    with pytest.raises(Failed, match="CallTimeout"):
        client.send("x")
    assert instance.host.left() > 0


def test_a_module_that_does_not_end_is_a_problem():
    from instance import Instance

    instance = Instance()
    instance.host.limit = 200_000
    with pytest.raises(Problems) as found:
        instance.compile(
            {
                "consumers.py": "while True:\n    pass\nfrom channels.generic.websocket import *\nclass A(WebsocketConsumer): pass\n"
            }
        )
    (problem,) = found.value.args[0]
    assert problem.line in (1, 2) and "CallTimeout" in problem.message


def test_endless_recursion_is_an_error():
    instance, client = run("def f():\n    return f()\nf()")
    with pytest.raises(Failed, match="RecursionError"):
        client.send("x")
    assert client.instance.connect("specific.a!2").decision is not None
