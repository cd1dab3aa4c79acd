"""The stubs for editors have the names of the sources, and the lessons run."""

import ast
import importlib
import inspect
import operator

import pytest
from instance import HERE, Instance, start

STUBS = HERE.parent / "stubs"
PLUGINS = HERE.parent.parent.parent / "plugins" / "python"
FILES = sorted(path.relative_to(STUBS) for path in STUBS.rglob("*.pyi"))


def functions_of(body, prefix=""):
    """Yields the names of public functions and of methods, and the names of their parameters."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node.name, None
            yield from functions_of(node.body, node.name + ".")
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("__"):
            arguments = node.args
            yield prefix + node.name, [each.arg for each in (*arguments.args, *arguments.kwonlyargs)]


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_stub_has_the_names_and_parameters_of_the_source(file):
    module_name = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
    with Instance().entered():
        module = importlib.import_module(module_name)
        for name, parameters in functions_of(ast.parse((STUBS / file).read_text()).body):
            value = operator.attrgetter(name)(module)
            code = getattr(value, "__code__", None)
            if parameters is not None and code is not None and not code.co_flags & inspect.CO_VARKEYWORDS:
                own = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
                # An overload has some of the parameters.
                assert set(parameters) <= {"self", *own}, name


@pytest.mark.parametrize("lesson", ["echo", "broadcast", "group"])
def test_a_lesson_runs(lesson):
    files = {path.name: path.read_text() for path in (PLUGINS / lesson).iterdir() if path.is_file()}
    instance = start(files)
    first = instance.connect("specific.a!1", url_route=[("room", "red")])
    second = instance.connect("specific.a!2", url_route=[("room", "red")])
    instance.take_effects()
    effects = first.send("hi")
    if lesson == "echo":
        assert effects == [("send", first.name, "hi")]
        assert first.send(b"\x00") == [("send", first.name, b"\x00")]
    elif lesson == "broadcast":
        assert sorted(effects) == [("send", first.name, "hi"), ("send", second.name, "hi")]
    else:
        assert [effect[:2] for effect in effects] == [("group_send", "chat_red")]
        assert second.handle_message({"type": "chat.message", "message": "hi"}) == "HANDLED"
    second.disconnect()
