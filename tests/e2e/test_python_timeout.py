"""Source plugins in Python: calls that run too long."""

import re

import pytest

from python_plugin import ASYNC, SYNC

pytestmark = pytest.mark.alone

# A fifth of the time is for the handler of the error, the traceback and the log. A first traceback takes longer than that
# part of the default on a busy machine.
LIMITS = {"call_time": "400ms"}

both_isolations = pytest.mark.parametrize("isolation", ["shared", "connection"])

# The lines of `receive`, and the name of the function in which the time runs out.
LOOPS = {
    "while": ("while True: pass", "receive"),
    "for": ("for _ in iter(int, 1): text_data", "receive"),
    "nested": ("def spin():\n    while True: pass\nspin()", "spin"),
    "recursion": ("def fork(n):\n    return fork(n + 1) + fork(n + 1) if n < 200 else 0\nfork(0)", "fork"),
    "lambda": ("max(map(lambda n: n * n, range(10 ** 9)))", "<lambda>"),
    "list": ("[number for number in range(10 ** 9) if number < 0]", "receive"),
    "dict": ("{n % 7: m for n in range(10 ** 5) for m in range(10 ** 5)}", "receive"),
    "generator": ("sum(number % 2 for number in range(10 ** 9))", "<genexpr>"),
    "method": ("class Number:\n    def __lt__(self, other):\n        return True\nlow = Number()\nmax(low for low in iter(Number, None))", r"\S+"),
    "try": ("while True:\n    try:\n        int('x')\n    except ValueError:\n        pass", "receive"),
}


def looping(lines, kind="sync", rest=""):
    """A consumer that runs these lines for the text `loop`, and else answers."""
    body = "".join(f"            {line}\n" for line in lines.splitlines())
    define, wait = ("async ", "await ") if kind == "async" else ("", "")
    return (ASYNC if kind == "async" else SYNC) + f"""
class Looper({"Async" if kind == "async" else ""}WebsocketConsumer):
    {define}def receive(self, text_data=None, bytes_data=None):
        if text_data == "loop":
{body}
        {wait}self.send(text_data=text_data)
{rest}"""


@both_isolations
@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("loop", LOOPS)
def test_a_handler_that_runs_too_long_closes_its_connection_and_the_log_has_its_line(python, isolation, kind, loop):
    lines, function = LOOPS[loop]
    plugin = python(looping(lines, kind), isolation=isolation, limits=LIMITS)
    client, other = plugin.clients(2)
    client.send("loop")
    assert client.ended() == (1011, "consumer failed")
    plugin.host.logged(rf"returned an error: CallTimeout: the call has used \d+ of the 400 ms of limits\.call_time \(consumers\.py:\d+ in {function}\)")
    assert other.ask("still here") == "still here"


def test_the_traceback_of_a_time_out_has_the_source_of_the_line(python):
    plugin = python(looping("while True:\n    text_data += ''"), limits=LIMITS)
    client = plugin.connect()
    client.send("loop")
    assert client.ended()[0] == 1011
    plugin.host.logged(re.compile(r'File "consumers\.py", line \d+, in receive\s+while True:|text_data \+= .*CallTimeout', re.DOTALL))


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_many_connections_stay_while_one_loops(python, kind):
    plugin = python(looping("while True: pass", kind))
    others = plugin.clients(200)
    for _ in range(3):
        client = plugin.connect()
        client.send("loop")
        assert client.ended() == (1011, "consumer failed")
    for other in others:
        other.send("still here")
    assert [other.recv() for other in others] == ["still here"] * 200


@both_isolations
def test_a_loop_in_connect_is_answered_500(python, isolation):
    plugin = python(SYNC + """
class Looper(WebsocketConsumer):
    def connect(self):
        if self.scope["query_string"] == b"loop":
            while True: pass
        self.accept()

    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=text_data)
""", isolation=isolation, limits=LIMITS)
    other = plugin.connect()
    raw = plugin.host.tcp()
    raw.request("/chat/?loop")
    assert raw.response().status == 500
    plugin.host.logged(r"CallTimeout: the call has used \d+ of the 400 ms of limits\.call_time \(consumers\.py:6 in connect\)")
    assert other.ask("still here") == "still here"


@both_isolations
def test_a_loop_in_a_handler_of_the_layer_closes_its_connection_alone(python, isolation):
    plugin = python(ASYNC + """
class Looper(AsyncWebsocketConsumer):
    groups = ["room"]

    async def receive(self, text_data=None, bytes_data=None):
        if text_data == "loop":
            await self.channel_layer.group_send("room", {"type": "spin", "channel": self.channel_name})
        else:
            await self.send(text_data=text_data)

    async def spin(self, event):
        while event["channel"] == self.channel_name: pass
""", isolation=isolation)
    client, *others = plugin.clients(10)
    client.send("loop")
    assert client.ended() == (1011, "consumer failed")
    assert [other.ask("still here") for other in others] == ["still here"] * 9


def test_a_loop_after_a_wait_closes_its_connection_alone(python):
    plugin = python(looping("await asyncio.sleep(0.01)\nwhile True: pass", "async"))
    client, other = plugin.clients(2)
    client.send("loop")
    assert client.ended() == (1011, "consumer failed")
    assert other.ask("still here") == "still here"


def test_a_handler_may_catch_the_time_out_and_answer(python):
    plugin = python("from narrowboat import CallTimeout\n" + looping("""
try:
    while True: pass
except CallTimeout:
    text_data = "too much"
"""))
    client = plugin.connect()
    assert client.ask("loop") == "too much"
    assert client.ask("again") == "again"


# Handlers that go on.

STUBBORN = """
while True:
    try:
        while True: pass
    except {caught}:
        pass
"""


@both_isolations
@pytest.mark.parametrize("caught", ["Exception", "BaseException"])
def test_a_loop_that_catches_the_time_out_and_goes_on_closes_its_connection_alone(python, isolation, caught):
    """The check of the outer loop is outside its `try`."""
    plugin = python(looping(STUBBORN.format(caught=caught)), isolation=isolation, limits=LIMITS)
    client, other = plugin.clients(2)
    client.send("loop")
    assert client.ended() == (1011, "consumer failed")
    plugin.host.logged(r"CallAborted: the call has caught CallTimeout and used \d+ of the 400 ms of limits\.call_time \(consumers\.py:\d+ in receive\)")
    assert other.ask("still here") == "still here"


# Code that is written in C has no checks.
ENDLESS = {
    "sum": "sum(range(10 ** 12))",
    "expression": "import re; re.match('(a+)+$', 'a' * 40 + 'b')",
    "catch-all": "try:\n    while True: pass\nexcept BaseException:\n    sum(range(10 ** 12))",
}
endless = pytest.mark.parametrize("lines", ENDLESS.values(), ids=ENDLESS)


@endless
def test_a_handler_that_no_exception_stops_ends_its_instance(python, lines):
    plugin = python(looping(lines))
    clients = plugin.clients(5)
    clients[0].send("loop")
    assert [client.ended() for client in clients] == [(1011, "consumer failed")] * 5
    plugin.host.logged("ran longer than its call_time of 100 ms")
    assert plugin.connect().ask("a new instance") == "a new instance"


@endless
def test_such_a_handler_ends_only_its_connection_with_isolation_connection(python, lines):
    plugin = python(looping(lines), isolation="connection")
    client, *others = plugin.clients(5)
    client.send("loop")
    assert client.ended() == (1011, "consumer failed")
    assert [other.ask("still here") for other in others] == ["still here"] * 4


def test_an_endless_loop_at_import_is_refused_with_its_line(python):
    plugin = python(looping("pass"), limits={"load_time": "1s"})
    client = plugin.connect()
    assert re.search(r"consumers\.py:1: CallTimeout|ran longer", plugin.refuse("while True: pass\n" + plugin.text))
    assert client.ask("still here") == "still here"
