"""The plugin: its versions, its files, its log and its faults."""

from collections import namedtuple

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


def read_file(path):
    """Returns the content of a file of the plugin, as it is on the disk: str, or bytes if it is not UTF-8."""
    return request("read_file", path=path)


def logs():
    """Returns what the plugin has logged since the test began, as a list of LogEntry."""
    return [LogEntry(each["level"], each["message"], each["context"]) for each in request("logs")]


def faults():
    """Returns the faults of the plugin since the test began, as texts."""
    return request("faults")
