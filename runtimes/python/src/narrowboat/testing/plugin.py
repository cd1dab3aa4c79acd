"""The plugin: its versions, its configuration, its files, its log and its faults."""

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

    `values` is a dictionary, whose values may be dictionaries, as the tables of TOML. None removes a key. The other keys
    stay as they are: at first as in `narrowboat.toml`.
    """
    request("set_config", changes=dict(_flatten({**dict(values), **keys})))


def _flatten(values, prefix=""):
    """Yields the keys with full stops, and their values as texts."""
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{key}.")
        elif isinstance(value, bool):
            yield key, str(value).lower()
        elif value is None or isinstance(value, (str, int, float)):
            yield key, None if value is None else str(value)
        else:
            raise TypeError(f"a value of the configuration has to be str, bool, int or float, not {type(value).__name__}")


def read_file(path):
    """Returns the content of a file of the plugin, as it is on the disk: str, or bytes if it is not UTF-8."""
    return request("read_file", path=path)


def logs():
    """Returns what the plugin has logged since the test began, as a list of LogEntry."""
    return [LogEntry(each["level"], each["message"], each["context"]) for each in request("logs")]


def faults():
    """Returns the faults of the plugin since the test began, as texts."""
    return request("faults")
