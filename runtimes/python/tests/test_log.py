"""The output of a plugin goes to the log of the host."""

import contextlib
import re

from instance import Failed, start

HEADER = """
import logging, sys, warnings, traceback
from channels.generic.websocket import WebsocketConsumer

class Chat(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        exec(text_data, {**globals(), "self": self})
"""


def log_of(command):
    instance = start(HEADER)
    client = instance.connect()
    with instance.entered():
        log = instance._modules["narrowboat_runtime.log"]
        root = logging.getLogger()
        before = root.handlers[:], root.level
        root.handlers[:] = [log.HostHandler()]
        root.setLevel(logging.DEBUG)
    try:
        client.send(command)
    except Failed:
        pass
    finally:
        root.handlers[:], root.level = before
    return instance.host.log


import logging  # noqa: E402


def test_a_printed_line_is_an_entry():
    assert log_of("print('a', 1); print('b')") == [("info", "print", "a 1"), ("info", "print", "b")]


def test_a_printed_text_with_line_breaks_is_one_entry():
    assert log_of("print('a\\nb')") == [("info", "print", "a\nb")]


def test_a_line_without_an_end_is_written_at_the_end_of_the_step():
    assert log_of("print('a', end='')") == [("info", "print", "a")]


def test_what_a_step_writes_to_standard_error_is_one_entry():
    assert log_of("print('a', file=sys.stderr); print('b', file=sys.stderr)") == [("warn", "stderr", "a\nb")]


def test_logging_has_its_level_and_the_name_of_its_logger():
    entries = log_of(
        "log = logging.getLogger('chat.rooms'); log.debug('d'); log.info('%s', 'i'); log.warning('w'); log.error('e'); log.critical('c')"
    )
    assert entries == [(level, "chat.rooms", level[0]) for level in ("debug", "info", "warn", "error", "critical")]


def test_logging_of_an_exception_has_its_traceback():
    (entry,) = log_of("try:\n    1 / 0\nexcept ZeroDivisionError:\n    logging.exception('failed')")
    assert entry[0] == "error" and entry[2].startswith("failed\nTraceback") and "\n" in entry[2]


def test_a_long_text_is_shortened():
    ((_, _, text),) = log_of("print('x' * 100_000)")
    assert len(text) < 17_000 and "characters left out" in text


def test_endless_output_without_line_breaks_is_bounded():
    entries = log_of("for _ in range(100): print('x' * 1000, end='')")
    assert 5 <= len(entries) <= 7


def test_a_traceback_is_one_entry_with_the_lines_of_the_source():
    instance = start(
        {
            "consumers.py": "from channels.generic.websocket import *\nfrom rooms import fail\n\n\nclass Chat(WebsocketConsumer):\n"
            "    def receive(self, text_data=None, bytes_data=None):\n        fail()\n",
            "rooms/__init__.py": "def fail():\n    raise KeyError('room')\n",
        }
    )
    try:
        instance.connect().send("x")
    except Failed as failed:
        assert failed.args[0].value == "KeyError: 'room' (rooms/__init__.py:2 in fail)"
    ((level, context, text),) = instance.host.log
    assert (level, context) == ("error", "traceback")
    lines = text.splitlines()
    assert lines[:3] == [
        "Traceback (most recent call last):",
        '  File "consumers.py", line 7, in receive',
        "    fail()",
    ]
    assert any(line.strip() == "raise KeyError('room')" for line in lines)
    assert "narrowboat_runtime" not in text


def test_a_deep_traceback_has_its_innermost_frames():
    instance = start(
        "from channels.generic.websocket import *\n\ndef down(n):\n    if n == 0:\n        raise LookupError('deep')\n    down(n - 1)\n\n"
        "class Chat(WebsocketConsumer):\n    def receive(self, text_data=None, bytes_data=None):\n        down(500)\n"
    )
    with contextlib.suppress(Failed):
        instance.connect().send("x")
    ((_, _, text),) = instance.host.log
    assert "raise LookupError('deep')" in text
    assert "in receive" not in text
    assert re.search(r"LookupError: deep\n\(\d+ outer frames are left out\)$", text)


def test_a_deep_traceback_without_a_line_of_the_plugin_has_those_of_other_modules():
    instance = start(
        "import copy\nfrom channels.generic.websocket import *\n\nclass Chat(WebsocketConsumer):\n"
        "    def receive(self, text_data=None, bytes_data=None):\n        deep = []\n        for _ in range(2000):\n"
        "            deep = [deep]\n        copy.deepcopy(deep)\n"
    )
    with contextlib.suppress(Failed):
        instance.connect().send("x")
    ((_, _, text),) = instance.host.log
    assert "in deepcopy" in text
    assert "RecursionError" in text
