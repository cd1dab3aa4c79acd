"""Modules, packages and files of a plugin."""

from instance import start

HEAD = "from channels.generic.websocket import WebsocketConsumer\n"
CHAT = """
class Chat(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=repr(eval(text_data)))
"""


def ask(expression, head="", **files):
    files = {path.replace("__", "/").replace("~", "__") + ".py": text for path, text in files.items()}
    return evaluate(expression, {"consumers.py": HEAD + head + CHAT, **files})


def evaluate(expression, files):
    return eval(start(files).connect().send(expression)[0][2])


def test_packages_and_relative_imports_work():
    files = {
        "consumers.py": HEAD + "from chat import rooms\n" + CHAT,
        "chat/__init__.py": "NAME = 'chat'\n",
        "chat/rooms.py": "from . import NAME\nfrom .sub.deep import VALUE\nfrom ..chat import NAME as SAME\n".replace(
            "from ..chat import NAME as SAME\n", ""
        ),
        "chat/sub/__init__.py": "",
        "chat/sub/deep.py": "from .. import NAME\nVALUE = NAME + '!'\n",
    }
    assert evaluate("(rooms.NAME, rooms.VALUE, rooms.__name__, rooms.__file__, rooms.__package__)", files) == (
        "chat",
        "chat!",
        "chat.rooms",
        "chat/rooms.py",
        "chat",
    )


def test_a_consumer_in_a_package_is_found():
    files = {
        "chat/__init__.py": "",
        "chat/consumers.py": HEAD + "from . import rooms\n" + CHAT,
        "chat/rooms.py": "X = 1\n",
    }
    assert evaluate("rooms.X", files) == 1


def test_a_folder_without_init_is_a_namespace_package():
    assert evaluate("x.y.Z", {"consumers.py": HEAD + "import x.y\n" + CHAT, "x/y.py": "Z = 3\n"}) == 3


def test_packages_in_vendor_are_imported_by_their_names():
    files = {
        "consumers.py": HEAD + "import greet, single\n" + CHAT,
        "vendor/greet/__init__.py": "from .words import HELLO\n",
        "vendor/greet/words.py": "HELLO = 'hello'\n",
        "vendor/single.py": "X = 1\n",
        "vendor/broken.py": "def (\n",
        "vendor/greet-1.0.dist-info/METADATA": "Name: greet\n",
    }
    assert evaluate("(greet.HELLO, single.X, greet.__file__)", files) == ("hello", 1, "vendor/greet/__init__.py")


def test_a_vendored_file_with_an_error_fails_when_it_is_imported():
    files = {
        "consumers.py": HEAD
        + "def load():\n    try:\n        import broken\n    except SyntaxError as e:\n        return e.lineno\n"
        + CHAT,
        "vendor/broken.py": "x = 1\ndef (\n",
    }
    assert evaluate("load()", files) == 2


def test_the_plugin_wins_over_vendor():
    files = {"consumers.py": HEAD + "import both\n" + CHAT, "vendor/both.py": "X = 1\n", "both.py": "X = 2\n"}
    assert evaluate("both.X", files) == 2


DATA = {"words.txt": "one\ntwo\n", "data/__init__.py": "", "data/blob.bin": b"\x00\xff"}


def test_files_can_be_opened():
    head = "import pathlib\nfrom channels.generic.websocket import WebsocketConsumer\nHERE = pathlib.Path(__file__).parent\n"
    files = {"consumers.py": head + CHAT, **DATA}
    instance = start(files)
    with instance.entered():
        from narrowboat_runtime import plugin_files as files_module

        assert files_module.open_file("words.txt").read() == "one\ntwo\n"
        assert files_module.open_file("./data/blob.bin", "rb").read() == b"\x00\xff"
        for name, mode, error in (("none", "r", FileNotFoundError), ("words.txt", "w", PermissionError)):
            try:
                files_module.open_file(name, mode)
            except error as raised:
                assert "narrowboat.keyvalue" in str(raised)
            else:
                raise AssertionError(name)


def test_pkgutil_and_resources_read_files():
    head = "import pkgutil, importlib.resources as resources\n"
    files = {"consumers.py": head + HEAD + CHAT, **DATA}
    assert evaluate("pkgutil.get_data('data', 'blob.bin')", files) == b"\x00\xff"
    assert evaluate("resources.files('data').joinpath('blob.bin').read_bytes()", files) == b"\x00\xff"
    assert evaluate("sorted(p.name for p in resources.files('data').iterdir())", files) == ["__init__.py", "blob.bin"]


def test_the_source_is_known_to_inspect():
    assert "WebsocketConsumer" in ask("inspect.getsource(Chat)", head="import inspect\n")


def test_the_docstring_of_a_function_stays():
    assert ask("f.__doc__", head="def f():\n    'text'\n") == "text"


def test_future_imports_stay_first():
    assert evaluate(
        "f.__annotations__",
        {"consumers.py": "from __future__ import annotations\n" + HEAD + "def f(x: No): pass\n" + CHAT},
    ) == {"x": "No"}


def test_modules_may_have_the_names_of_the_build():
    files = {"consumers.py": HEAD + "import app, websocket\n" + CHAT, "app.py": "X = 1\n", "websocket.py": "X = 2\n"}
    assert evaluate("(app.X, websocket.X)", files) == (1, 2)
