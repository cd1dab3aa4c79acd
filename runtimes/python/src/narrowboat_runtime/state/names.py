"""The names of a plugin that can have state: the globals of its modules, and the attributes of its classes."""

import datetime
import decimal
import enum
import fractions
import importlib
import ipaddress
import logging
import pathlib
import re
import sys
import types
import uuid

from .. import plugin_importer

#: Types whose values never change.
ATOMS = frozenset(
    (
        type(None), bool, int, float, complex, str, bytes, range, slice, type(Ellipsis), datetime.date,
        datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone, decimal.Decimal, fractions.Fraction,
        uuid.UUID, re.Pattern, pathlib.PurePosixPath, pathlib.PosixPath, ipaddress.IPv4Address, ipaddress.IPv6Address,
    )
)  # fmt: skip

_CODE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, logging.Logger)
_CODE_MODULES = ("typing", "types", "__future__", "contextvars", "_contextvars", "_abc", "enum", "annotationlib")


def is_code(value):
    """Says whether a value is a part of the program and not of its state."""
    if isinstance(value, _CODE):
        return True
    kind = type(value)
    if kind in ATOMS:
        return False
    return hasattr(kind, "__get__") or kind.__module__ in _CODE_MODULES


def is_atom(value):
    """Says whether a value never changes."""
    return type(value) in ATOMS or isinstance(value, enum.Enum)


def walk_names():
    """Yields the module, the path within it and the value of each name that can have state.

    The path has the classes and the name, such as `("Chat", "clients")`.
    """
    for name in plugin_importer.own_module_names():
        module = sys.modules.get(name)
        if module is not None:
            yield from _walk_namespace(name, (), vars(module))


def _walk_namespace(module, path, namespace):
    for name, value in list(namespace.items()):
        if name.startswith("__") and name.endswith("__"):
            continue
        if isinstance(value, type):
            if value.__module__ == module and value.__qualname__ == ".".join((*path, name)) and not _is_enum(value):
                yield from _walk_namespace(module, (*path, name), vars(value))
        elif not is_code(value):
            yield module, (*path, name), value


def _is_enum(value):
    return issubclass(value, enum.Enum)


def find_holder(module, path):
    """Returns the module of the plugin or the class that has the last name of the path, or None."""
    holder = importlib.import_module(module) if plugin_importer.is_plugin_module(module) else None
    for part in path[:-1]:
        holder = vars(holder).get(part) if holder is not None else None
        if not isinstance(holder, type):
            return None
    return holder


def type_name(value):
    """Returns the module and the qualified name of a value's type."""
    kind = type(value)
    return kind.__module__, kind.__qualname__


def text_of(module, path):
    """Returns a name as error messages show it."""
    return f"{module}.{'.'.join(path)}"
