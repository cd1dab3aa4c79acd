"""Finds the classes of a plugin that handle events."""

import ast
import difflib
import importlib
import inspect
import sys

from . import plugin_importer

_NO_CONSUMER = (
    "the plugin defines no consumer: derive a class from a class of channels.generic.websocket or channels.consumer,"
    ' or name it in plugin.toml: consumer = "module:Class"'
)


class EntryError(Exception):
    """The plugin has no entry class, or several."""


def find_consumer_modules(trees):
    """Returns the names of the modules that seem to define a consumer, without running them.

    `trees` has the syntax tree of each module by name. A class counts if the name of one of its bases ends with
    `Consumer`, or is the name of a class that counts.
    """
    classes = [
        (module, node.name, _base_names(node))
        for module, tree in trees.items()
        if not _is_test(module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    ]
    names, found, known = set(), set(), -1
    while len(names) != known:
        known = len(names)
        for module, name, bases in classes:
            if any(base.endswith("Consumer") or base in names for base in bases):
                names.add(name)
                found.add(module)
    return [module for module in trees if module in found]


def _base_names(node):
    names = []
    for base in node.bases:
        if isinstance(base, ast.Subscript):
            base = base.value
        if isinstance(base, ast.Attribute):
            names.append(base.attr)
        elif isinstance(base, ast.Name):
            names.append(base.id)
    return names


def _is_test(module):
    parts = module.split(".")
    last = parts[-1]
    is_test_module = last.startswith("test_") or last.endswith("_test") or last in ("tests", "conftest", "setup")
    return is_test_module or any(part in ("test", "tests") for part in parts)


def find_consumer(modules, worker):
    """Returns the only consumer class that the modules define and that is not a base of another one.

    `worker` is the class of the worker or None; it does not count. Returns None if there is a worker but no consumer.
    Raises EntryError if there is no such class, or several.
    """
    from channels.consumer import AsyncConsumer

    found = [
        value
        for module in modules
        for value in vars(sys.modules[module]).values()
        if inspect.isclass(value) and issubclass(value, AsyncConsumer) and value.__module__ == module
    ]
    found = list(dict.fromkeys(found))
    leaves = [value for value in found if not any(other is not value and issubclass(other, value) for other in found)]
    # The worker is left out after the leaves are found: a base of the worker alone is no consumer.
    leaves = [value for value in leaves if value is not worker]
    if len(leaves) == 1:
        return leaves[0]
    if not leaves and worker is not None:
        return None
    if not leaves:
        raise EntryError(_NO_CONSUMER)
    names = ", ".join(name_of(value) for value in leaves)
    raise EntryError(
        f"the plugin defines {len(leaves)} consumers: {names}: name one in plugin.toml:"
        f' consumer = "{name_of(leaves[0])}"'
    )


def name_of(entry):
    """Returns the name of an entry class as the manifest has it."""
    return f"{entry.__module__}:{entry.__qualname__}"


def module_of(entry, key):
    """Returns the module of an entry such as `module:Class`. Raises EntryError if it has another form."""
    module, separator, name = entry.partition(":")
    parts = [*module.split("."), *name.split(".")]
    if not separator or not all(part.isidentifier() for part in parts):
        raise EntryError(f'{key} = "{entry}" in plugin.toml has to have the form "module:Class"')
    return module


def _import_module(entry, key):
    """Imports the module of an entry. Raises EntryError if the plugin lacks it, and what the module raises."""
    name = module_of(entry, key)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
    close = difflib.get_close_matches(name, plugin_importer.own_module_names(), 1)
    guess = f'; did you mean "{close[0]}"?' if close else ""
    raise EntryError(f'{key} = "{entry}" in plugin.toml: the plugin has no module {name}{guess}')


def load_entry(entry, key):
    """Imports the module of an entry and returns its class.

    Raises EntryError if there is no such class, and what the module raises.
    """
    from channels.consumer import AsyncConsumer

    module = _import_module(entry, key)
    value = module
    for part in entry.partition(":")[2].split("."):
        value = getattr(value, part, None)
    if value is None:
        raise EntryError(f'{key} = "{entry}" in plugin.toml: the module {module.__name__} has no such class')
    if not inspect.isclass(value) or not issubclass(value, AsyncConsumer):
        raise EntryError(
            f'{key} = "{entry}" in plugin.toml: it is not a class derived from AsyncConsumer or SyncConsumer'
        )
    return value
