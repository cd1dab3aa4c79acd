"""Faults of a source plugin while it runs: each ends its connection or its instance, and no other plugin notices."""

import shutil

import pytest

from admin import ADMIN, Admin
from source_plugin import ECHO, SourcePlugin

#: How much memory a host may use beyond what it had before a fault, in bytes. An instance may have 64 MiB.
MEMORY = 128 << 20

# The faults that end one connection, and what the log says of each.
ENDS_THE_CONNECTION = {
    "recursion": r"RecursionError: .* \(consumers.py:\d+ in recursion\)",
    "recursion of an attribute": r"RecursionError: .* in __getattr__\)",
    "recursion of a comparison": r"RecursionError: .* in __eq__\)",
    "loop": r"CallTimeout: .* of the 500 ms of limits\.call_time \(consumers.py:\d+ in loop\)",
    "loop that catches all": r"CallAborted: .* \(consumers.py:\d+ in loop\w*\)",
    "loop of coroutines": r"CallTimeout: .* in spin\)",
    "colliding keys": r"CallTimeout: .* in colliding_keys\)",
    "colliding objects": r"CallTimeout: .* in (__hash__|colliding_objects)\)",
    "trace that loops": r"CallTimeout: .* in trace\)",
    "comprehension": r"MemoryError; .*limits\.memory.* in comprehension\)",
    "list of a billion": r"MemoryError; .* in list_of_a_billion\)",
    "cycles without a collector": r"MemoryError; .* in cycles_without_a_collector\)",
    "memory that stays": r"MemoryError; .* in memory_that_stays\)",
    "print many lines": r"CallTimeout: .* in print_many_lines\)|log lines",
    "long exception": r"ValueError: x{100}",
    "long chain of exceptions": r"ValueError: 2999 \(consumers.py:\d+ in long_chain_of_exceptions\)",
    "deep group of exceptions": r"ExceptionGroup: outer",
    "exception whose text loops": r"Endless: \(its text cannot be shown\) \(consumers.py:\d+",
    "exception with odd notes": r"ValueError: odd; \(its notes cannot be shown\)",
    "send a lone surrogate": r"UnicodeEncodeError: .* in send_a_lone_surrogate\)",
    "join a lone surrogate": r"TypeError: .*ud800.* in join_a_lone_surrogate\)",
    "blame with a lone surrogate": r"UnicodeEncodeError: .* in blame_with_a_lone_surrogate\)",
    "blame with an odd code": r"ValueError: .* not with 1000000000",
    "exit": r"SystemExit: 3 \(consumers.py:\d+ in exit\)",
    "interrupt": r"KeyboardInterrupt \(consumers.py:\d+ in interrupt\)",
    "kill": r"OSError: processes are not available in a plugin",
    "load a library": r"ModuleNotFoundError: .*ctypes is not available in a plugin",
    "thread": r"RuntimeError: threads are not available in a plugin: use asyncio\.create_task",
    "wait for a thread": r"RuntimeError: no other thread can end this wait",
}

# The faults that end all connections of an instance.
ENDS_THE_INSTANCE = {
    "recursion without a limit": r"call stack exhausted|ran longer than its call_time",
    "text of a deep list": r"call stack exhausted",
    "loop of the interpreter": r"ran longer than its call_time of 500 ms",
    "regular expression": r"ran longer than its call_time of 500 ms",
    "colliding keys of the interpreter": r"ran longer than its call_time of 500 ms",
    "exit at once": r"the guest ended itself with the exit code",
    "abort": r"unreachable",
    "segmentation fault": r"Segmentation fault",
}

# The faults that change the instance for its other connections.
CHANGES_THE_INSTANCE = ["take builtins away", "take pickle away", "take modules away", "replace the runtime", "close the output"]

# The faults that the plugin survives.
SURVIVES = [
    "finalizer that loops",
    "print a hundred megabytes",
    "print lone surrogates",
    "log a record that cannot be formatted",
    *CHANGES_THE_INSTANCE,
    "finalizer that fails",
    "collector that fails",
]


class Faults(SourcePlugin):
    """The guest `python-faults`."""

    def __init__(self, root, folder):
        shutil.copytree(root / "tests/guests/python-faults", folder)
        self.folder, self.host = folder, None


def start(serve, *plugins):
    """Starts a host. Its `call_time` is long enough for a busy machine."""
    plugins = {plugin.name: plugin.table for plugin in plugins}
    return serve(plugins=plugins, admin=ADMIN, limits={"call_time": "500ms"})


@pytest.fixture
def host(serve, root, tmp_path):
    """A host of this test, because a fault may leave its instance changed."""
    host = start(serve, Faults(root, tmp_path / "faults"), SourcePlugin(tmp_path / "echo"))
    host.connect("/echo/").ask("ready")
    host.before = host.rss()
    return host


@pytest.fixture
def bystander(host):
    """A client of another plugin of the same runtime. It is served until the end of the test."""
    client = host.connect("/echo/")
    yield client
    assert client.ask("served") == "served"
    assert host.connect("/echo/").ask("served") == "served"
    assert host.peak_rss() < host.before + MEMORY
    assert Admin(host).get("/v1/status")["ready"]


@pytest.fixture
def other(host):
    """Another client of the plugin, in the same instance as the next one."""
    client = host.connect("/faults/")
    assert client.ask("here") == "here"
    return client


@pytest.fixture
def faulty(host, other, bystander):
    return host.connect("/faults/")


@pytest.mark.parametrize(("fault", "words"), ENDS_THE_CONNECTION.items(), ids=ENDS_THE_CONNECTION)
def test_a_fault_that_is_an_exception_ends_its_connection(host, faulty, other, fault, words):
    since = len(host.log())
    faulty.send(fault)
    messages, closure = faulty.rest()
    assert "survived" not in messages and closure == (1011, "consumer failed")
    host.logged(f"the consumer failed: returned an error: {words}", since)
    assert other.ask("still here") == "still here"


@pytest.mark.parametrize(("fault", "words"), ENDS_THE_INSTANCE.items(), ids=ENDS_THE_INSTANCE)
def test_a_fault_that_is_a_trap_ends_its_instance(host, faulty, other, fault, words):
    since = len(host.log())
    faulty.send(fault)
    assert faulty.ended() == (1011, "consumer failed")
    assert other.ended()[0] == 1011
    host.logged(f"the consumer failed: .*({words})", since)
    assert host.connect("/faults/").ask("new") == "new"


@pytest.mark.parametrize("fault", SURVIVES)
def test_a_fault_that_is_harmless_ends_nothing(faulty, other, fault):
    assert faulty.ask(fault) == "survived"
    assert other.ask("still here") == "still here"


@pytest.mark.parametrize("fault", ["print a hundred megabytes", "long exception", "print many lines"])
def test_the_log_of_a_fault_is_bounded(host, faulty, fault):
    since = len(host.log())
    faulty.send(fault)
    faulty.recv() if fault == "print a hundred megabytes" else faulty.rest()
    host.logged("x{100}|line 1", since)
    assert len(host.log()) - since < 4 << 20


# Other plugins and later versions.


def test_the_modules_that_a_plugin_changes_are_those_of_its_instance(serve, root, tmp_path):
    uses = ECHO.replace("text_data=text_data", "text_data=json.dumps([text_data, len(text_data)])")
    faults, other = Faults(root, tmp_path / "faults"), SourcePlugin(tmp_path / "other", "import json\n" + uses)
    host = start(serve, faults, other)
    broken, whole = host.connect("/faults/"), host.connect("/other/")
    assert broken.ask("take builtins away") == "survived"
    assert whole.ask("ab") == '["ab", 2]'
    assert host.connect("/other/").ask("ab") == '["ab", 2]'


@pytest.mark.parametrize("fault", CHANGES_THE_INSTANCE)
def test_the_next_version_does_not_have_the_changes_of_the_last_one(serve, root, tmp_path, fault):
    uses = ECHO.replace("text_data=text_data", "text_data=json.dumps([text_data, len(text_data)])")
    faults = Faults(root, tmp_path / "faults")
    faults.host = start(serve, faults)
    client = faults.connect()
    assert client.ask(fault) == "survived"
    faults.swap("import json\n" + uses)
    assert client.ask("ab") == '["ab", 2]'
    assert faults.connect().ask("ab") == '["ab", 2]'


COUNTING = ECHO.replace("self.send(text_data=text_data,", "seen.append(text_data)\n        self.send(text_data=repr(seen),")


def test_plugins_and_tenants_with_one_source_have_a_state_each(serve, tmp_path):
    source = SourcePlugin(tmp_path / "counting", "seen = []\n" + COUNTING)
    tenants = {name: {"path": f"/{name}", "plugins": {"counting": source.table}} for name in ("acme", "globex")}
    plugins = {"counting": source.table, "again": source.table}
    host = serve(plugins=plugins, tenants=tenants)
    for path in ("/counting/", "/again/", "/acme/counting/", "/globex/counting/"):
        assert host.connect(path).ask(path) == repr([path])
    assert host.connect("/acme/counting/").ask("more") == repr(["/acme/counting/", "more"])


# State that another version has saved.

HOSTILE = """
import os
from channels.generic.websocket import WebsocketConsumer

class Hostile:
    def __reduce__(self):
        return {function}, ({argument!r},)

class Echo(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.hostile = Hostile()
        self.send(text_data)
"""


@pytest.mark.parametrize(
    ("function", "argument", "name"),
    [
        ("eval", "print('the state runs')", "builtins.eval"),
        ("exec", "print('the state runs')", "builtins.exec"),
        ("__import__", "this", "builtins.__import__"),
        ("os.getenv", "HOME", "os.getenv"),
        ("os.remove", "file", "remove"),
    ],
)
def test_a_hostile_state_is_refused_and_runs_nothing(serve, tmp_path, function, argument, name):
    plugin = SourcePlugin(tmp_path / "echo", HOSTILE.format(function=function, argument=argument))
    plugin.host = start(serve, plugin)
    client = plugin.connect()
    assert client.ask("armed") == "armed"
    reason = plugin.refuse(ECHO)
    assert "the trial failed" in reason and name in reason
    assert "the state runs" not in plugin.host.log()
    assert client.ask("still here") == "still here"


def test_a_state_that_fills_the_memory_is_refused_with_the_limit(serve, root, tmp_path):
    faults = Faults(root, tmp_path / "faults")
    faults.host = start(serve, faults)
    client, other = faults.connect(), faults.connect()
    client.send("memory that stays")
    client.ended()
    assert "limits.memory" in faults.refuse(ECHO)
    assert other.ask("still here") == "still here"
