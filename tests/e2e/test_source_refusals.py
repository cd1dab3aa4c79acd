"""Source that cannot be compiled or loaded: the version is refused, with the file and the line where there is one, and the
live version and other plugins go on."""

import pytest

from admin import ADMIN, Admin
from source_plugin import ECHO, SourcePlugin
from support import DEADLINE, toml

#: How much memory a host may use beyond what it had before a bad version, in bytes. An instance may have 64 MiB.
MEMORY = 200 << 20

#: The line after the consumer.
END = ECHO.count("\n") + 1


def after(code):
    """A consumer, and code after it."""
    return ECHO + code


def derived(body):
    """Classes in place of the consumer."""
    return "from channels.generic.websocket import WebsocketConsumer\n" + body


ENDLESS_IMPORTS = after("""
import importlib.abc, importlib.util, sys

class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name.startswith("generated") else None

    def exec_module(self, module):
        __import__(module.__name__ + "x")

sys.meta_path.insert(0, Finder())
import generated
""")

# The source of consumers.py, and what the refusal says.
WHILE_IT_IS_COMPILED = {
    "a syntax error": ("def f(:\n", rf"consumers\.py:1:7: SyntaxError: invalid syntax: `def f\(:`"),
    "too many parentheses": (after("x = " + "(" * 500 + ")" * 500), r"consumers\.py: MemoryError: Parser stack overflowed"),
    "too many levels": (
        after("".join(" " * level + "if 1:\n" for level in range(120)) + " " * 120 + "pass\n"),
        r"consumers\.py:\d+:1: IndentationError: too many levels of indentation",
    ),
    "an expression that is nested too deep": (after("x = " + "-" * 100_000 + "1"), r"consumers\.py: MemoryError|call stack exhausted"),
    "a chain of operators without an end": (after("x = " + "+".join(["1"] * 100_000)), r"call stack exhausted"),
    "bytes that are not UTF-8": (
        (ECHO + "x = 'é'").encode("latin-1"),
        rf"consumers\.py:{END}: SyntaxError: the text is not utf-8",
    ),
    "an encoding that is unknown": (b"# coding: klingon\n" + ECHO.encode(), r"consumers\.py: SyntaxError: .*no other encoding"),
    "an encoding that is no encoding of texts": (b"# coding: hex\n" + ECHO.encode(), r"consumers\.py: SyntaxError: .*no other encoding"),
    "UTF-16": (ECHO.encode("utf-16"), r"consumers\.py: SyntaxError: the text is not UTF-8"),
    "a NUL": (after("x = '\0'"), rf"consumers\.py:{END}: SyntaxError: the text has a NUL character"),
    "no text": ("", r"the plugin defines no consumer: derive a class"),
    "source that is too large": ("x = 1\n" * (2 << 20), r"consumers\.py: MemoryError; .*limits\.memory|beyond end of memory|pointer is null"),
}

WHILE_IT_IS_IMPORTED = {
    "a loop": (after("while True: pass"), rf"consumers\.py:{END}: CallTimeout: the call has used \d+ of the 1000 ms of limits\.load_time: `while True: pass`"),
    "a loop that catches all": (
        after("while True:\n    try:\n        while True: pass\n    except BaseException: pass"),
        r"consumers\.py:\d+: CallAborted|ran longer than its load_time",
    ),
    "a loop of the interpreter": (after("sum(range(10**12))"), r"ran longer than its load_time of 1000 ms"),
    "a recursion": (after("def f(): f()\nf()"), rf"consumers\.py:{END}: RecursionError: maximum recursion depth exceeded"),
    "a recursion of an attribute": (
        after("class A:\n    def __getattr__(self, name): return getattr(self, name)\nA().a"),
        r"consumers\.py:\d+: RecursionError",
    ),
    "a comprehension that takes all memory": (
        after("x = [bytes(100_000) for _ in range(10**9)]"),
        rf"consumers\.py:{END}: MemoryError; .*limits\.memory.*`x = \[bytes",
    ),
    "a list that takes all memory": (after("x = [0] * 10**9"), rf"consumers\.py:{END}: MemoryError"),
    "a metaclass that loops": (
        derived("class Meta(type):\n    def __new__(*_, **__):\n        while True: pass\nclass Echo(WebsocketConsumer, metaclass=Meta): pass"),
        r"consumers\.py:4: CallTimeout.*`while True: pass`",
    ),
    "a metaclass that loops when it is asked": (
        derived("class Meta(type):\n    def __getattribute__(*_):\n        while True: pass\nclass Echo(WebsocketConsumer, metaclass=Meta): pass"),
        r"consumers\.py:4: CallTimeout",
    ),
    "a base class that refuses": (
        derived("class Base(WebsocketConsumer):\n    def __init_subclass__(cls): raise LookupError('not you')\nclass Echo(Base): pass"),
        r"consumers\.py:3: LookupError: not you",
    ),
    "an exception without a text": (
        after("class E(Exception):\n    def __str__(self): raise ValueError\nraise E"),
        r"consumers\.py:\d+: E: \(its text cannot be shown\): `raise E`",
    ),
    "an exception with a long text": (after("raise ValueError('x' * 10**7)"), rf"consumers\.py:{END}: ValueError: x{{100,500}}"),
    "an exception with a lone surrogate": (after(r"raise ValueError('\ud800')"), rf"consumers\.py:{END}: ValueError: \\+ud800"),
    "a syntax error with an odd place": (after("raise SyntaxError('odd', ('consumers.py', -1, 2**40, 'x'))"), r"SyntaxError: odd"),
    "an exit": (after("import sys\nsys.exit(3)"), r"consumers\.py:\d+: SystemExit: 3"),
    "an exit at once": (after("import os\nos._exit(0)"), r"the guest ended itself with the exit code 0"),
    "an abort": (after("import os\nos.abort()"), r"unreachable"),
    "an interrupt": (after("raise KeyboardInterrupt"), rf"consumers\.py:{END}: KeyboardInterrupt"),
    "a thread": (after("import threading\nthreading.Thread(target=print).start()"), r"consumers\.py:\d+: RuntimeError: threads are not available"),
    "a library in C": (after("import ctypes"), rf"consumers\.py:{END}: ModuleNotFoundError: .*cannot load C libraries"),
    "a dump of threads": (after("import faulthandler\nfaulthandler.enable()"), r"consumers\.py:\d+: UnsupportedOperation"),
    "imports without an end": (ENDLESS_IMPORTS, r"consumers\.py:\d+: RecursionError"),
    "built-in names that are taken away": (
        after("import builtins\nbuiltins.len = builtins.__import__ = None\nimport json"),
        r"TypeError: 'NoneType' object is not callable",
    ),
    "modules that are taken away": (after("import sys\nsys.modules.clear()"), r"KeyError: 'consumers'"),
}

ACCEPTED = {
    "a byte order mark": b"\xef\xbb\xbf" + ECHO.encode(),
    "an encoding": b"# coding: latin-1\n# \xe9\n" + ECHO.encode(),
    "line ends of Windows": ECHO.replace("\n", "\r\n"),
    "a module that imports its importer": "import circular\n" + ECHO,
    "a trace function": after("import sys\nsys.settrace(lambda *_: None)\nsys.setprofile(lambda *_: None)"),
    "no collector": after("import gc\ngc.disable()"),
    "a hundred megabytes of output": after("for _ in range(100): print('x' * 10**6)"),
    "a finalizer that fails": after("class D:\n    def __del__(self): 1 / 0\nD()"),
    "a runtime that is taken away": after("import sys\nfor name in [*sys.modules]:\n    if name.startswith('narrowboat'): del sys.modules[name]"),
}


@pytest.fixture(scope="module")
def chat(serving, tmp_path_factory):
    """A plugin whose versions the tests write, beside the plugin `echo` of the same runtime."""
    folder = tmp_path_factory.mktemp("sources")
    chat = SourcePlugin(folder / "chat", files={"circular.py": "import consumers\n"})
    echo = SourcePlugin(folder / "echo")
    plugins = {plugin.name: plugin.table | {"rollback": {"window": "0s"}} for plugin in (chat, echo)}
    with serving(plugins=plugins, limits={"load_time": "1s"}, admin=ADMIN) as host:
        chat.host = echo.host = host
        chat.connect().ask("ready")
        host.before = host.rss()
        yield chat


@pytest.fixture
def client(chat):
    """A client of the plugin, which is served until the end of the test, as one of the other plugin is."""
    client, other = chat.connect(), chat.host.connect("/echo/")
    assert client.ask("before") == "before"
    yield client
    assert other.ask("served") == "served"
    assert chat.connect().ask("served") == "served"
    assert chat.host.rss() < chat.host.before + MEMORY
    assert Admin(chat.host).get("/v1/status")["ready"]


def refused(chat, source, words):
    since = len(chat.host.log())
    chat.write("consumers.py", source)
    chat.host.logged(f"deploy refused .*({words})", since)
    assert len(chat.host.log()) - since < 4 << 20


@pytest.mark.parametrize(("source", "words"), WHILE_IT_IS_COMPILED.values(), ids=WHILE_IT_IS_COMPILED)
def test_source_that_does_not_compile_is_refused(chat, client, source, words):
    refused(chat, source, words)
    assert client.ask("still here") == "still here"


@pytest.mark.parametrize(("source", "words"), WHILE_IT_IS_IMPORTED.values(), ids=WHILE_IT_IS_IMPORTED)
def test_source_that_fails_while_it_is_imported_is_refused(chat, client, source, words):
    refused(chat, source, words)
    assert client.ask("still here") == "still here"


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
def test_source_that_is_odd_and_not_wrong_is_accepted(chat, client, source):
    since = len(chat.host.log())
    chat.swap(source)
    assert client.ask("moved") == "moved"
    assert len(chat.host.log()) - since < 4 << 20


# Files and folders.

WRONG_FILES = {
    "a module named like one of the standard library": ({"json.py": ""}, "json.py: the name json hides a module of the standard library"),
    "a module named like one of the interpreter": ({"sys.py": ""}, "sys.py: the name sys hides a module of the standard library"),
    "a package named like one of the runtime": ({"channels/__init__.py": ""}, "channels/__init__.py: the name channels belongs to the runtime"),
    "a module named like the runtime": ({"narrowboat_runtime.py": ""}, "narrowboat_runtime.py: the name narrowboat_runtime belongs"),
    "a module named like the contract": ({"wit_world.py": ""}, "wit_world.py: the name wit_world belongs to the runtime"),
    "a name with a letter that is not ASCII": ({"é.py": ""}, 'path "é.py" has the character \'é\''),
    "a name with a line break": ({"a\nb.py": ""}, r'path "a\nb.py" has the character'),
    "a name with a backslash": ({"a\\b.py": ""}, "has the character '\\\\'"),
    "a name that is too long": ({"x" * 200 + ".py": ""}, "is too long"),
    "names that differ in their case": ({"A.py": "", "a.py": ""}, "ignores case"),
    "a native extension": ({"fast.so": b"\x7fELF"}, "native extension"),
    "more than 10,000 files": ({f"m{at // 100}/f{at}.py": "" for at in range(10_000)}, "more than 10000 files"),
    "a file that is larger than the memory": ({"model.bin": bytes(60 << 20)}, "limits.memory|memory of 64.0 MiB"),
    "imports in a circle": (
        {"consumers.py": "import a\n" + ECHO, "a.py": "from b import y\nx = 1", "b.py": "from a import x\ny = 1"},
        "b.py:1: ImportError: cannot import name 'x' from partially initialized module 'a'",
    ),
    "a chain of imports without an end": (
        {"consumers.py": "import f0\n" + ECHO} | {f"f{at}.py": f"import f{at + 1}" for at in range(1_000)},
        "RecursionError: maximum recursion depth exceeded",
    ),
    "only a manifest": ({"consumers.py": None}, "the plugin defines no consumer"),
    "only an empty file": ({"consumers.py": ""}, "the plugin defines no consumer"),
    "several consumers": ({"other.py": ECHO.replace("Echo", "Other")}, 'name one in plugin.toml: consumer = "'),
}

ODD_FILES = {
    "names that are no identifiers": {"a b.py": "1 / 0", "a-b.py": "1 / 0", "{x}.py": "1 / 0", "%s%n": "", "--help": "", "'\"$(x);.txt": ""},
    "a folder that ends like a module": {"x.py/y.py": "z = 1"},
    "a module and a package of one name": {"a.py": "1 / 0", "a/__init__.py": ""},
    "modules that nothing imports": {"__init__.py": "1 / 0", "__main__.py": "1 / 0", "setup.py": "1 / 0"},
    "a module of the standard library that the runtime lacks": {"sqlite3.py": "x = 1"},
    "a deep folder": {"/".join(["d"] * 60) + "/x.py": ""},
    "10,000 files": {f"m{at // 100}/f{at}.py": f"x = {at}\n" for at in range(9_998)},
}


@pytest.fixture
def start_fails(narrowboat, tmp_path):
    """Runs a host with a plugin that has these files. Returns the error with which it exits."""

    def run(files):
        plugin = SourcePlugin(tmp_path / "chat", files={path: text for path, text in files.items() if text is not None})
        if files.get("consumers.py", "") is None:
            plugin.write("consumers.py", None)
        config = tmp_path / "narrowboat.toml"
        tables = {"chat": {"source": str(plugin.folder), "grants": "all"}}
        config.write_text(toml({"listen": "127.0.0.1:0", "plugins": tables}))
        result = narrowboat("serve", "--config", config, timeout=3 * DEADLINE)
        assert result.returncode not in (0, 101), result.stderr
        return result.stderr

    return run


@pytest.mark.parametrize(("files", "words"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_files_that_a_plugin_cannot_have_are_refused(start_fails, files, words):
    error = start_fails(files)
    assert 'plugin "chat"' in error
    assert any(word in error for word in words.split("|")), error


@pytest.mark.parametrize("files", ODD_FILES.values(), ids=ODD_FILES)
def test_files_that_are_odd_and_not_wrong_are_accepted(serve, tmp_path, files):
    plugin = SourcePlugin(tmp_path / "chat", files=files)
    host = serve(plugins={"chat": plugin.table}, limits={"load_time": "20s"})
    assert host.connect("/chat/").ask("hello") == "hello"
