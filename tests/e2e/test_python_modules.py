"""Source plugins in Python: modules, packages, the classes that handle events, and workers."""

import re

import pytest

from admin import ADMIN, Admin
from python_plugin import ASYNC, SYNC, PythonPlugin
from redis_server import Redis

ECHO = SYNC + """
class Echo(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=text_data)
"""


@pytest.fixture
def refused(narrowboat, tmp_path):
    """The error with which `narrowboat serve` refuses a plugin."""

    def serve(source, files=None, **manifest):
        plugin = PythonPlugin(tmp_path / "chat", source, files, **manifest)
        config = tmp_path / "narrowboat.toml"
        table = f'[plugins.chat]\nsource = "{plugin.folder}"\ngrants = "all"\n'
        config.write_text(table + '[[routes]]\npath = "/chat/"\nplugin = "chat"\n')
        result = narrowboat("serve", "--config", config, "--listen", "127.0.0.1:0")
        assert result.returncode != 0
        return result.stderr

    return serve


# Modules.


def test_a_package_imports_its_modules_by_relative_names(python):
    client = python(None, files={
        "rooms/__init__.py": "from .texts.greeting import greet\n",
        "rooms/texts/__init__.py": "",
        "rooms/texts/greeting.py": "from ..names import NAME\n\ndef greet():\n    return f'hello {NAME}'\n",
        "rooms/names.py": "NAME = 'ada'\n",
        "rooms/consumers.py": SYNC + """
from . import greet
from .names import NAME as name

class Greeter(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=f"{greet()} {name} {__name__} {__package__}")
""",
    }).connect()  # fmt: skip
    assert client.ask("greet") == "hello ada ada rooms.consumers rooms"


def test_a_folder_without_init_is_a_namespace_package(python):
    source = "from rooms.texts import GREETING\n" + ECHO.replace("text_data=text_data", "text_data=GREETING")
    client = python(source, files={"rooms/texts.py": "GREETING = 'hello'\n"}).connect()
    assert client.ask("greet") == "hello"


def test_a_package_in_vendor_is_imported_by_its_name(python):
    source = "import emoji\n" + ECHO.replace("text_data=text_data", "text_data=emoji.show(text_data)")
    files = {"vendor/emoji/__init__.py": "from .table import show\n", "vendor/emoji/table.py": "def show(name):\n    return f':{name}:'\n"}
    assert python(source, files=files).connect().ask("boat") == ":boat:"


def test_a_broken_file_in_vendor_that_nothing_imports_does_no_harm(python):
    files = {"vendor/old/__init__.py": "print 'Python 2'\n"}
    assert python(ECHO, files=files).connect().ask("fine") == "fine"


def test_a_module_may_be_imported_in_a_handler(python):
    source = ECHO.replace("self.send(text_data=text_data)", "import later; self.send(text_data=later.NAME)")
    assert python(source, files={"later.py": "NAME = 'later'\n"}).connect().ask("go") == "later"


def test_a_name_of_the_standard_library_is_refused(refused):
    error = refused(ECHO, files={"json.py": "x = 1\n"})
    assert "json.py: the name json hides a module of the standard library: rename the file or the folder" in error


def test_a_name_of_the_runtime_is_refused(refused):
    error = refused(ECHO, files={"channels/__init__.py": "x = 1\n"})
    assert "channels/__init__.py: the name channels belongs to the runtime" in error


# Sources that do not load.


@pytest.mark.parametrize("line, error", [
    ("def broken(:", r"consumers\.py:6:\d+: SyntaxError: .*`def broken\(:`"),
    ("    indented = 1", r"consumers\.py:6:\d+: IndentationError: .*"),
    ("import missing_module", r"consumers\.py:6: ModuleNotFoundError: No module named 'missing_module'.*`import missing_module`"),
    ("1 / 0", r"consumers\.py:6: ZeroDivisionError: division by zero: `1 / 0`"),
    ("raise SystemExit(3)", r"consumers\.py:6: SystemExit: 3"),
    ("from rooms import nothing", r"consumers\.py:6: ImportError: cannot import name 'nothing' from 'rooms'"),
    ("from rooms.broken import x", r"rooms/broken\.py:1:\d+: SyntaxError: .*`x =`"),
], ids=["syntax", "indentation", "module", "statement", "exit", "name", "other-file"])
def test_a_source_that_does_not_load_is_refused_with_its_file_and_line(refused, line, error):
    files = {"rooms/__init__.py": ""}
    if "broken import" in line:
        files["rooms/broken.py"] = "x = \n"
    told = refused("\n\n\n\n\n" + line + "\n" + ECHO, files=files)
    assert re.search(error, told), told


def test_all_files_with_errors_are_told_at_once(refused):
    error = refused("x = \n", files={"one.py": "y = \n", "two.py": "fine = 1\n", "three.py": "z = (\n"})
    assert [name for name in ("consumers.py:1", "one.py:1", "two.py", "three.py:1") if name in error] == ["consumers.py:1", "one.py:1", "three.py:1"]


# The classes that handle events.

SEVERAL = SYNC + """
class Base(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=type(self).__name__)

class First(Base):
    pass

class Second(Base):
    pass
"""


def test_a_consumer_that_others_derive_from_does_not_count(python):
    source = SEVERAL[: SEVERAL.index("class Second")]
    assert python(source).connect().ask("who") == "First"


def test_several_consumers_without_an_entry_are_refused_with_their_names(refused):
    error = refused(SEVERAL)
    assert "the plugin defines 2 consumers: consumers:First, consumers:Second" in error
    assert 'consumer = "consumers:First"' in error


@pytest.mark.parametrize("name", ["First", "Second", "Base"])
def test_the_entry_names_the_consumer(python, name):
    plugin = python(SEVERAL, manifest={"consumer": f"consumers:{name}"})
    assert plugin.connect().ask("who") == name


def test_the_entry_may_be_in_a_package(python):
    plugin = python(None, files={"rooms/chat.py": SEVERAL}, manifest={"consumer": "rooms.chat:Second"})
    assert plugin.connect().ask("who") == "Second"


@pytest.mark.parametrize("entry, error", [
    ("consumers:Missing", 'consumer = "consumers:Missing" in plugin.toml: the module consumers has no such class'),
    ("consumers:function", "it is not a class derived from AsyncConsumer or SyncConsumer"),
    ("missing:Echo", "the plugin has no module missing"),
])
def test_an_entry_that_names_no_consumer_is_refused(refused, entry, error):
    assert error in refused(ECHO + "\ndef function():\n    pass\n", consumer=entry)


def test_a_plugin_without_a_consumer_is_refused(refused):
    assert "the plugin defines no consumer: derive a class from a class of channels.generic.websocket" in refused("x = 1\n")


# Workers.

WORKER = ASYNC + """
from channels.consumer import AsyncConsumer, SyncConsumer

class Chat(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        task = {"type": "make.sum", "numbers": text_data, "reply": self.channel_name}
        if text_data == "unknown":
            task["type"] = "no.handler"
        await self.channel_layer.send("sums", task)

    async def sum_made(self, event):
        await self.send(text_data=str(event["sum"]))
"""
ASYNC_WORKER = WORKER + """
class Summer(AsyncConsumer):
    async def make_sum(self, event):
        numbers = [int(number) for number in event["numbers"].split()]
        await self.channel_layer.send(event["reply"], {"type": "sum.made", "sum": sum(numbers)})
"""
SYNC_WORKER = WORKER + """
from asgiref.sync import async_to_sync

class Summer(SyncConsumer):
    def make_sum(self, event):
        numbers = [int(number) for number in event["numbers"].split()]
        async_to_sync(self.channel_layer.send)(event["reply"], {"type": "sum.made", "sum": sum(numbers)})
"""


@pytest.fixture
def working(serve, tmp_path):
    """Serves a plugin at /chat/ and as the worker of the channel `sums`."""

    def start(source, **settings):
        entries = {"consumer": "consumers:Chat", "worker": "consumers:Summer"}
        plugin = PythonPlugin(tmp_path / "chat", source, **entries)
        tables = {"chat": plugin.table()}
        routes = [{"path": "/chat/", "plugin": "chat"}]
        plugin.host = serve(plugins=tables, routes=routes, workers=[{"channel": "sums", "plugin": "chat"}], **settings)
        return plugin

    return start


@pytest.mark.parametrize("source", [SYNC_WORKER, ASYNC_WORKER], ids=["sync", "async"])
def test_a_worker_handles_the_messages_of_its_channel(working, source):
    client = working(source).connect()
    assert client.ask("1 2 3") == "6"


def test_a_worker_works_over_redis(working):
    with Redis() as redis:
        client = working(ASYNC_WORKER, layer={"backend": "redis", "hosts": [redis.address]}).connect()
        assert client.ask("1 2 3") == "6"


def test_an_exception_in_a_worker_is_logged_and_the_next_message_is_handled(working):
    plugin = working(SYNC_WORKER)
    client = plugin.connect()
    client.send("1 two")
    plugin.host.logged(r"ValueError: invalid literal for int\(\) with base 10: 'two' \(consumers\.py:\d+ in make_sum\)")
    assert client.ask("4 5") == "9"


def test_a_type_that_a_worker_does_not_know_is_counted_and_ignored(working):
    plugin = working(SYNC_WORKER, admin=ADMIN)
    client = plugin.connect()
    client.send("unknown")
    assert client.ask("4 5") == "9"
    metrics = Admin(plugin.host).ask("/metrics").body.decode()
    assert re.search(r"^narrowboat_guest_unknown_messages_total{.*} 1$", metrics, re.MULTILINE)


def test_a_worker_that_waits_is_an_error_with_its_line(working):
    plugin = working(ASYNC_WORKER.replace("numbers = [", "await asyncio.sleep(1); numbers = ["))
    plugin.connect().send("1 2")
    plugin.host.logged(r"a worker cannot wait for time or for another message, and this one waits at consumers\.py:\d+ in make_sum")


def test_a_plugin_may_have_a_worker_and_no_consumer(serve, tmp_path):
    source = "from channels.consumer import SyncConsumer\n" + SYNC_WORKER.removeprefix(WORKER)
    worker = PythonPlugin(tmp_path / "worker", source, worker="consumers:Summer")
    chat = PythonPlugin(tmp_path / "chat", WORKER)
    workers = [{"channel": "sums", "plugin": "worker"}]
    chat.host = serve(plugins={"chat": chat.table(), "worker": worker.table()}, workers=workers)
    assert chat.connect().ask("20 22") == "42"
