"""Tests of plugins, which `narrowboat test` runs. A test talks to a host of its own, whose clock stands still.

Methods of `Communicator` are coroutines, as in Django Channels. Functions, and methods of `Channel`, are not.
"""

from narrowboat import config, keyvalue
from narrowboat_runtime.testing.fixtures import fixture
from narrowboat_runtime.testing.host_request import HostError
from narrowboat_runtime.testing.marks import parametrize
from narrowboat_runtime.testing.outcomes import fail, raises, skip

from .channel import Channel
from .clock import advance, set_time
from .communicator import CloseFrame, Communicator
from .http import PluginRequest, fail_request, requests, respond
from .layer import group_send, group_send_frame, send
from .plugin import LogEntry, Swap, SwapRefused, faults, logs, read_file, set_config, swap

__all__ = [
    "Channel",
    "CloseFrame",
    "Communicator",
    "HostError",
    "LogEntry",
    "PluginRequest",
    "Swap",
    "SwapRefused",
    "advance",
    "config",
    "fail",
    "fail_request",
    "faults",
    "fixture",
    "group_send",
    "group_send_frame",
    "keyvalue",
    "logs",
    "parametrize",
    "raises",
    "read_file",
    "requests",
    "respond",
    "send",
    "set_config",
    "set_time",
    "skip",
    "swap",
]
