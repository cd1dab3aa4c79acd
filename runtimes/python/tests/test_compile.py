"""`compile` finds the problems of a plugin, and its entry classes."""

import pytest
from instance import Instance, Problems, start

ECHO = "from channels.generic.websocket import WebsocketConsumer\nclass Echo(WebsocketConsumer):\n    pass\n"
WORKER = (
    "from channels.consumer import SyncConsumer\nclass Jobs(SyncConsumer):\n    def job(self, event):\n        pass\n"
)


def problems(files, **entries):
    if isinstance(files, str):
        files = {"consumers.py": files}
    with pytest.raises(Problems) as found:
        Instance().compile(files, **entries)
    return found.value.args[0]


def test_a_program_says_which_classes_it_has():
    program = Instance().compile({"consumers.py": ECHO})
    assert (program.has_consumer, program.has_worker) == (True, False)
    program = Instance().compile({"jobs.py": WORKER}, worker="jobs:Jobs")
    assert (program.has_consumer, program.has_worker) == (False, True)
    program = Instance().compile({"consumers.py": ECHO, "jobs.py": WORKER}, worker="jobs:Jobs")
    assert (program.has_consumer, program.has_worker) == (True, True)


def test_the_base_class_of_a_worker_is_not_a_consumer_beside_it():
    jobs = "from channels.consumer import SyncConsumer\nclass Base(SyncConsumer):\n    pass\nclass Jobs(Base):\n    pass\n"
    program = Instance().compile({"consumers.py": ECHO, "jobs.py": jobs}, worker="jobs:Jobs")
    assert (program.has_consumer, program.has_worker) == (True, True)
    program = Instance().compile({"jobs.py": jobs}, worker="jobs:Jobs")
    assert (program.has_consumer, program.has_worker) == (False, True)


def test_a_syntax_error_has_its_place():
    (problem,) = problems("x = 1\ndef f(:\n    pass\n")
    assert (problem.path, problem.line, problem.column, problem.source) == ("consumers.py", 2, 7, "def f(:")
    assert problem.message == "SyntaxError: invalid syntax"


def test_an_error_that_only_the_compiler_finds_has_its_place():
    (problem,) = problems(ECHO + "x = 1\nreturn 5\n")
    assert (problem.path, problem.line, problem.source) == ("consumers.py", 5, "return 5")
    assert "'return' outside function" in problem.message


def test_all_files_with_syntax_errors_are_reported():
    assert [problem.path for problem in problems({"a.py": "x =", "b.py": "y =", "consumers.py": ECHO})] == [
        "a.py",
        "b.py",
    ]


def test_a_file_that_is_not_text_is_a_problem():
    (problem,) = problems({"consumers.py": b"x = '\xff'\n"})
    assert problem.path == "consumers.py" and "not UTF-8" in problem.message


def test_an_encoding_declaration_is_followed():
    start({"consumers.py": ECHO.encode() + b"", "latin.py": b"# -*- coding: latin-1 -*-\nX = '\xe9'\n"})


def test_an_import_that_fails_is_a_problem_at_its_line():
    (problem,) = problems("import json\nimport nothing\n" + ECHO)
    assert (problem.path, problem.line, problem.source) == ("consumers.py", 2, "import nothing")
    assert problem.message.startswith("ModuleNotFoundError: No module named 'nothing'; the runtime lacks this module")
    assert "vendor/" in problem.message


@pytest.mark.parametrize(
    "module, text",
    [
        ("requests", "narrowboat.http"),
        ("sqlite3", "narrowboat.keyvalue"),
        ("django.db", "no Django"),
        ("numpy", "no C extensions"),
    ],
)
def test_an_import_of_a_known_module_says_what_to_use(module, text):
    files = {"consumers.py": f"raise ModuleNotFoundError('no', name={module!r})\n" + ECHO}
    (problem,) = problems(files)
    assert text in problem.message


@pytest.mark.parametrize(
    "module, text",
    [
        ("channels.routing", "[[routes]] of the configuration has the routes"),
        ("channels.generic.http", "a plugin serves only WebSockets"),
        ("channels.sessions", "the runtime has these modules of Channels: channels.generic.websocket, "),
    ],
)
def test_an_import_of_a_module_of_channels_says_what_there_is(module, text):
    (problem,) = problems(f"import {module}\n" + ECHO)
    assert f"{module} is not available in a plugin: {text}" in problem.message and "pip" not in problem.message


def test_a_relative_import_at_the_top_says_what_to_write():
    (problem,) = problems({"consumers.py": "from .util import f\n" + ECHO, "util.py": "f = 1\n"})
    assert "a module at the top of the plugin belongs to no package: write `import util`" in problem.message
    files = {"chat/consumers.py": "from .util import f\n" + ECHO, "chat/util.py": "f = 1\n"}
    assert Instance().compile(files).has_consumer


def test_an_exception_in_a_module_is_a_problem_at_the_innermost_line():
    (problem,) = problems({"consumers.py": "import rooms\n" + ECHO, "rooms.py": "def f():\n    return {}['a']\nf()\n"})
    assert (problem.path, problem.line, problem.source) == ("rooms.py", 2, "    return {}['a']")
    assert problem.message == "KeyError: 'a'"


def test_memory_that_is_used_up_is_a_problem_that_names_the_limit():
    (problem,) = problems("raise MemoryError\n" + ECHO)
    assert problem.message.startswith("MemoryError; ") and "limits.memory" in problem.message


def test_an_exit_in_a_module_is_a_problem():
    (problem,) = problems("import sys\nsys.exit('no')\n" + ECHO)
    assert (problem.line, problem.message) == (2, "SystemExit: no")


def test_a_warning_of_the_compiler_is_logged():
    instance = Instance()
    instance.compile({"consumers.py": ECHO + "if 1 is 1:\n    pass\n"})
    assert [entry for entry in instance.host.log if "SyntaxWarning" in entry[2]][0][:2] == ("warn", "warnings")


def test_without_a_consumer_it_is_a_problem():
    (problem,) = problems("x = 1\n")
    assert problem.path is None and 'consumer = "module:Class"' in problem.message


def test_several_consumers_are_a_problem_that_lists_them():
    (problem,) = problems({"a.py": ECHO, "b.py": ECHO.replace("Echo", "Other")})
    assert "the plugin defines 2 consumers: a:Echo, b:Other" in problem.message
    assert 'consumer = "a:Echo"' in problem.message


def test_a_named_consumer_is_taken():
    files = {"a.py": ECHO, "rooms/b.py": ECHO.replace("Echo", "Other")}
    assert Instance().compile(files, consumer="rooms.b:Other").has_consumer


@pytest.mark.parametrize(
    "entry, text",
    [
        ("consumers", 'has to have the form "module:Class"'),
        ("consumers:No", "the module consumers has no such class"),
        ("consumers:x", "not a class derived from AsyncConsumer or SyncConsumer"),
        ("nothing:Echo", "the plugin has no module nothing"),
    ],
)
def test_a_wrong_entry_is_a_problem(entry, text):
    (problem,) = problems("x = 1\n" + ECHO, consumer=entry)
    assert text in problem.message


def test_an_entry_whose_module_is_missing_is_a_problem_of_the_manifest():
    (problem,) = problems(ECHO, consumer="consumer:Echo")
    text = 'consumer = "consumer:Echo" in plugin.toml: the plugin has no module consumer; did you mean "consumers"?'
    assert (problem.path, problem.message) == (None, text)
    (problem,) = problems("import nothing\n" + ECHO, consumer="consumers:Echo")
    assert problem.message.startswith("ModuleNotFoundError: No module named 'nothing'")


def test_a_base_of_another_consumer_does_not_count():
    files = {"base.py": ECHO.replace("Echo", "Base"), "chat.py": "from base import Base\nclass Chat(Base):\n    pass\n"}
    assert start(files)._modules["narrowboat_runtime.instance"].consumer_class.__name__ == "Chat"


def test_modules_without_consumers_and_tests_do_not_run():
    files = {
        "consumers.py": ECHO,
        "routing.py": "import django.urls\n",
        "apps.py": "from django.apps import AppConfig\nclass ChatConfig(AppConfig):\n    pass\n",
        "tests/test_chat.py": "import pytest_no\n" + ECHO,
        "test_b.py": "import pytest_no\n" + ECHO,
    }
    assert Instance().compile(files).has_consumer


@pytest.mark.parametrize("path", ["channels/x.py", "narrowboat.py", "asgiref/__init__.py"])
def test_a_file_that_hides_the_runtime_is_a_problem(path):
    (problem,) = problems({"consumers.py": ECHO, path: ""})
    assert problem.path == path and "belongs to the runtime" in problem.message


def test_a_file_that_hides_the_standard_library_is_a_problem():
    (problem,) = problems({"consumers.py": ECHO, "json.py": ""})
    assert "hides a module of the standard library" in problem.message


def test_the_runtime_wins_over_a_vendored_package():
    files = {
        "consumers.py": ECHO,
        "vendor/channels/__init__.py": "raise ImportError",
        "vendor/json/__init__.py": "raise ImportError",
    }
    start(files).connect()


def test_a_damaged_program_is_a_problem():
    for code in (b"", b"x", b"N"):
        with pytest.raises(Problems, match="damaged"):
            Instance().load(code)


def test_a_program_of_another_form_is_a_problem():
    import marshal

    with pytest.raises(Problems, match="compile it again"):
        Instance().load(marshal.dumps((99, {}, {}, {}, None, None)))


@pytest.mark.parametrize(
    "content, message, line",
    [
        (ECHO.encode() + b"x = '\xe9'\n", "SyntaxError: the text is not utf-8: invalid continuation byte", -1),
        (b"# coding: utf-16\n" + ECHO.encode(), "UTF-16 stream does not start with BOM", None),
        (ECHO.encode() + b"x = '\0'\n", "SyntaxError: the text has a NUL character", -1),
        (ECHO.encode("utf-16"), "the text is not UTF-8", None),
    ],
)
def test_a_text_that_cannot_be_read_is_a_problem_with_its_line(content, message, line):
    (problem,) = problems({"consumers.py": content})
    assert problem.path == "consumers.py" and message in problem.message
    assert problem.line == (ECHO.count("\n") + 1 if line else None)


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf" + ECHO.encode(), b"# coding: latin-1\nx = '\xe9'\n" + ECHO.encode(), ECHO.replace("\n", "\r\n").encode()])
def test_a_byte_order_mark_an_encoding_and_line_ends_are_those_of_python(content):
    assert start({"consumers.py": content}).connect()
