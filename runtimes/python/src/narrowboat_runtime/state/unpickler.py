"""Reads pickles of another version. It finds only classes of the plugin and types of data."""

import builtins
import importlib
import pickle
import sys
import types

from .. import plugin_importer
from . import rebuild

#: The names of the standard library and of the runtime that a snapshot may contain.
_ALLOWED = {
    "array": "array _array_reconstructor",
    "builtins": "bool bytearray bytes complex dict float frozenset int list object range set slice str tuple",
    "channels.exceptions": "AcceptConnection ChannelFull DenyConnection InvalidChannelLayerError MessageTooLarge"
    " RequestAborted RequestTimeout StopConsumer",
    "collections": "ChainMap Counter OrderedDict UserDict UserList UserString defaultdict deque",
    "copyreg": "_reconstructor",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "functools": "partial",
    "ipaddress": "IPv4Address IPv4Interface IPv4Network IPv6Address IPv6Interface IPv6Network",
    "asyncio.exceptions": "CancelledError TimeoutError",
    "json.decoder": "JSONDecodeError",
    "narrowboat.http": "Response",
    "narrowboat.keyvalue": "Bucket",
    "narrowboat_runtime.scope": "User",
    "pathlib": "Path PosixPath PurePath PurePosixPath",
    "pathlib._local": "Path PosixPath PurePath PurePosixPath",
    "random": "Random",
    "re": "_compile",
    "threading": "Event",
    "types": "SimpleNamespace",
    "uuid": "SafeUUID UUID",
    "weakref": "ref",
}
_ALLOWED = {(module, name) for module, names in _ALLOWED.items() for name in names.split()}
_ALLOWED |= {(rebuild.__name__, name) for name in vars(rebuild) if name.startswith(("rebuild_", "fill_"))}


class StateError(Exception):
    """The state of another version cannot be restored."""


class StateUnpickler(pickle.Unpickler):
    """Reads a pickle. Raises StateError for a name that it does not allow."""

    def find_class(self, module, name):
        if (module, name) in _ALLOWED:
            return getattr(importlib.import_module(module), name)
        if module == "builtins":
            return _find_exception(name)
        return find_in_plugin(module, name)


def _find_exception(name):
    value = getattr(builtins, name, None)
    if isinstance(value, type) and issubclass(value, BaseException):
        return value
    raise StateError(f"the state contains builtins.{name}, which a snapshot may not contain")


def find_in_plugin(module, name):
    """Returns a class or a function of the plugin by its qualified name.

    If the module does not have it any more, any other module of the plugin with this name is taken, if there is exactly
    one. Raises StateError.
    """
    if plugin_importer.is_plugin_module(module):
        value = _look_up(importlib.import_module(module), name)
        if value is not None:
            return value
    elif module in sys.modules and not plugin_importer.was_plugin_module(module):
        raise StateError(f"the state contains {module}.{name}, which a snapshot may not contain")
    found = {id(value): value for value in map(lambda other: _look_up(other, name), _plugin_modules()) if value}
    if len(found) == 1:
        return next(iter(found.values()))
    reason = "has none with this name" if not found else f"has {len(found)} with this name in other modules"
    raise StateError(f"the state contains an object of {module}.{name}, and this version {reason}")


def _plugin_modules():
    return [sys.modules[name] for name in plugin_importer.module_names() if name in sys.modules]


def _look_up(module, name):
    value = module
    for part in name.split("."):
        value = vars(value).get(part) if isinstance(value, (type, types.ModuleType)) else None
    if isinstance(value, (type, types.FunctionType)) and plugin_importer.is_plugin_module(value.__module__):
        return value
    return None
