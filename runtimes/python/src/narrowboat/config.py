"""The configuration of this plugin: the keys and values that the operator has written below `[plugins.NAME.config]`.

The module is a mapping: `config["api_key"]`, `config.get("greeting", "hello")`, `"api_key" in config`. A key of a nested
table has the names with a full stop between them, such as `smtp.host`. All values are texts; `parse` makes numbers and
others of them.

The operator may change the configuration while the plugin runs, for example when an API key is rotated. Each access
returns the value of that moment, so read a value where you use it, and keep none in a consumer. With
`config_changed = true` in `plugin.toml`, the method `config_changed(self, event)` of each consumer runs after a change.
"""

import json
import sys
import types
from collections.abc import Mapping

from narrowboat_runtime.texts import check_text
from wit_world.imports import wasi_config_store as store

#: The most characters of a key that an error shows.
_MAX_SHOWN = 64

#: The values of TOML for True and False.
_BOOLEANS = {"true": True, "false": False}


class MissingKey(KeyError):
    """The configuration has no value for the key."""

    # A KeyError shows its text as a literal.
    __str__ = Exception.__str__


def _missing_key(key):
    """Returns the message for a key without a value. `narrowboat test` writes the name of the plugin in place of NAME."""
    name = json.dumps(key[:_MAX_SHOWN])
    return (
        f"the configuration of the plugin has no value for {name}: set it in narrowboat.toml below [plugins.NAME.config],"
        f' as {name} = "…", or for a secret as {name} = {{ env = "VARIABLE" }} or {{ file = "PATH" }};'
        f' in a test call set_config({{{name}: "…"}})'
    )


class Config(types.ModuleType, Mapping):
    """The class of this module, so that the module itself is the mapping."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __getitem__(self, key):
        value = self.get(key)
        if value is None:
            raise MissingKey(_missing_key(key))
        return value

    def __iter__(self):
        return iter(self.all())

    def __len__(self):
        return len(self.all())

    def __contains__(self, key):
        return isinstance(key, str) and self.get(key) is not None

    def get(self, key, default=None):
        """Returns the value of a key as it is now, or the default if there is no such key."""
        if not isinstance(key, str):
            raise TypeError(f"a key of the configuration has to be str, not {type(key).__name__}")
        check_text(key)
        value = store.get(key)
        return default if value is None else value

    def all(self):
        """Returns a dictionary of all keys with their values, as they are now."""
        return dict(store.get_all())

    def items(self):
        """Returns the keys with their values, as they are now."""
        return self.all().items()

    def values(self):
        """Returns the values, as they are now."""
        return self.all().values()

    def parse(self, key, kind, default=None):
        """Returns `kind(value)`, such as that of int, float or json.loads, or the default if there is no such key.

        `bool` stands for the texts true and false. Raises ValueError, without the value, which may be a secret.
        """
        value = self.get(key)
        if value is None:
            return default
        try:
            return _BOOLEANS[value] if kind is bool else kind(value)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            name = getattr(kind, "__name__", repr(kind))
            raise ValueError(f"the value of {key!r} in the configuration of the plugin is not a valid {name}") from None


sys.modules[__name__].__class__ = Config
