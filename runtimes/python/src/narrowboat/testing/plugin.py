"""The plugin: its versions, its configuration, its files, its log and its faults."""

import datetime
from collections import namedtuple
from collections.abc import Mapping

from narrowboat_runtime.testing.host_request import HostError, request

#: An entry of the log. The level is one of trace, debug, info, warn, error and critical.
LogEntry = namedtuple("LogEntry", ("level", "message", "context"))

#: A swap that has taken place: the new version, and how many instances have moved to it.
Swap = namedtuple("Swap", ("version", "moved"))


class SwapRefused(HostError):
    """The host refused the new version. The text has the reasons. The old version runs on."""


def swap(files=None):
    """Makes another version of the plugin live, as a deploy does. Connections stay open, and their state moves.

    `files` has the new content of files by their paths, str or bytes, or None for a file that is removed. Without
    files the same code is a new version, so that its state is saved and restored. Raises SwapRefused.
    """
    try:
        done = request("swap", files=files, component=None)
    except HostError as error:
        raise SwapRefused(*error.args) from None
    return Swap(done["version"], done["moved"])


def set_config(values=(), /, **keys):
    """Sets keys of the plugin's configuration, which the plugin reads at its next call.

    `values` is a dictionary. Its values are those of TOML, and become texts as those of `[plugins.NAME.config]` do:
    dictionaries are tables, lists become JSON, and a datetime, a date or a time is the one of TOML. None removes a key.
    The other keys stay as they are: at first as in `narrowboat.toml`. Raises HostError for a key or a value that the
    table could not have.
    """
    request("set_config", changes=_to_wire({**dict(values), **keys}, "config"))


#: The key under which the host takes a date.
_DATE = "\0date"


def _to_wire(value, path):
    """Returns a value as the host takes it. Raises TypeError for one that TOML does not have."""
    if isinstance(value, Mapping):
        return {_check_name(name, path): _to_wire(it, f"{path}.{name}") for name, it in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_wire(item, path) for item in value]
    if isinstance(value, (datetime.date, datetime.time)):
        return {_DATE: value.isoformat()}
    if value is None or isinstance(value, (str, bool, int, float, bytes)):
        return value
    kinds = "str, bool, int, float, list, dict, datetime, date, time or None"
    raise TypeError(f"{path}: a value of the configuration has to be {kinds}, not {type(value).__name__}")


def _check_name(name, path):
    if not isinstance(name, str):
        raise TypeError(f"{path}: a key of the configuration has to be str, not {type(name).__name__}")
    return name


def read_file(path):
    """Returns the content of a file of the plugin, as it is on the disk: str, or bytes if it is not UTF-8."""
    return request("read_file", path=path)


def logs():
    """Returns what the plugin has logged since the test began, as a list of LogEntry."""
    return [LogEntry(each["level"], each["message"], each["context"]) for each in request("logs")]


def faults():
    """Returns the faults of the plugin since the test began, as texts."""
    return request("faults")
