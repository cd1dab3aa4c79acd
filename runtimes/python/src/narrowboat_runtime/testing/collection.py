"""Finds the tests of a plugin."""

import importlib
import inspect
import unittest
from collections import namedtuple

from wit_world.exports.tests import Test

from .. import compiler, plugin_importer, preparation
from ..problems import ProblemsFound, describe_problem, make_problem
from ..program import VENDOR
from . import assertions, driver
from .fixtures import fixtures_of
from .marks import parameters_of, skip_reason_of

#: A test that can run: its function is one of the module, or of the class `owner`.
TestItem = namedtuple("TestItem", ("name", "path", "line", "module", "owner", "function", "parameters", "skip_reason"))

#: The tests of the plugin by name.
items = {}


def collect(files):
    """Loads the files of a plugin and returns its tests. Raises ProblemsFound."""
    preparation.prepare()
    assertions.install()
    driver.install()
    sources = compiler.parse_files(files, _rewrite)
    program = compiler.make_program(files, sources)
    plugin_importer.install(program)
    problems = [_name_problem(file.path) for file in files if _has_unusable_name(file.path)]
    for source in sources.values():
        if is_test_file(source.path) or _is_conftest(source.path):
            problems += _collect_module(source, program)
    if problems:
        raise ProblemsFound(problems)
    return [Test(item.name, item.path, item.line) for item in items.values()]


def is_test_file(path):
    """Says whether a file has tests. A bundle for a host does not have these files."""
    name = path.rpartition("/")[2]
    return not path.startswith(VENDOR) and name.startswith("test_") and name.endswith(".py")


def _rewrite(path, tree):
    if is_test_file(path) or _is_conftest(path):
        assertions.rewrite(tree)


def _is_conftest(path):
    return not path.startswith(VENDOR) and path.rpartition("/")[2] == "conftest.py"


def _has_unusable_name(path):
    return is_test_file(path) and compiler.module_name_of(path)[0] is None


def _name_problem(path):
    return make_problem(
        "a file of tests is a module: give the file and its folders names of letters, digits and underscores", path
    )


def _collect_module(source, program):
    """Imports a module and adds its tests in the order of their lines. Returns the problems."""
    try:
        module = importlib.import_module(source.name)
        found = list(_find_items(module, source.path)) if is_test_file(source.path) else []
    except BaseException as error:
        return [describe_problem(error, program)]
    for item in sorted(found, key=lambda item: item.line):
        items[item.name] = item
    return []


def _find_items(module, path):
    for name, value in list(vars(module).items()):
        if inspect.isfunction(value) and name.startswith("test"):
            yield from _items_of(path, module, None, name, value)
        elif inspect.isclass(value) and issubclass(value, unittest.TestCase):
            if value.__module__ == module.__name__:
                yield from _items_of_class(path, module, value)
        elif inspect.isclass(value) and name.startswith("Test"):
            if value.__init__ is not object.__init__:
                raise TypeError(f"the class {name} of tests has __init__: use a fixture, or another name for the class")
            yield from _items_of_class(path, module, value)


def _items_of_class(path, module, owner):
    for name in dir(owner):
        method = getattr(owner, name) if name.startswith("test") else None
        function = getattr(method, "__func__", method)
        if inspect.isfunction(function):
            yield from _items_of(path, module, owner, name, function)


def _items_of(path, module, owner, name, function):
    line = inspect.unwrap(function).__code__.co_firstlineno
    base = "::".join((path, *([owner.__name__] if owner else []), name))
    reason = skip_reason_of(function, owner)
    for text, parameters in parameters_of(function, owner):
        full = f"{base}[{text}]" if text else base
        yield TestItem(full, path, line, module, owner, function, parameters, reason)


def fixture_layers_of(item):
    """Returns the tables of fixtures that a test can name: of its class, its module and the `conftest.py` above it."""
    own = {}
    for base in reversed(item.owner.__mro__ if item.owner else ()):
        own.update(fixtures_of(base))
    layers = [own, fixtures_of(item.module)]
    folder = item.path.rpartition("/")[0]
    while True:
        name = compiler.module_name_of(f"{folder}/conftest.py" if folder else "conftest.py")[0]
        if plugin_importer.is_plugin_module(name):
            layers.append(fixtures_of(importlib.import_module(name)))
        if not folder:
            return layers
        folder = folder.rpartition("/")[0]
