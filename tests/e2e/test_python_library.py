"""Source plugins in Python: the log, the standard library, and things that a plugin does not have."""

import re

import pytest

from python_plugin import SYNC

# Runs the statements that it gets, and answers with `answer` or with the exception in one line.
SHELL = """
import traceback
from channels.generic.websocket import WebsocketConsumer

class Shell(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        names = {"self": self}
        try:
            exec(text_data, names)
        except Exception as error:
            names["answer"] = traceback.format_exception_only(error)[0].strip()
        self.send(text_data=str(names.get("answer")))
"""
POWERS = {"capabilities": {"log": True, "random": True, "clocks": True}}


@pytest.fixture(scope="module")
def plugin(serving_python):
    with serving_python(SHELL, manifest=POWERS) as plugin:
        yield plugin


@pytest.fixture
def shell(plugin):
    return plugin.connect()


def logging_plugin(python, *lines, **options):
    body = "\n        ".join(lines)
    plugin = python(f"""
import logging, sys, warnings
from channels.generic.websocket import WebsocketConsumer

logger = logging.getLogger("rooms.lobby")

class Talker(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        {body}
        self.send(text_data="done")
""", **options)
    plugin.client = plugin.connect()
    return plugin


# The log.


@pytest.mark.parametrize("level, shown", [("debug", "DEBUG"), ("info", "INFO"), ("warning", "WARN"), ("error", "ERROR"), ("critical", "ERROR")])
def test_a_record_of_logging_has_its_level_and_the_name_of_its_logger(python, level, shown):
    plugin = logging_plugin(python, f"logger.{level}('room %s is full', 7)", log="debug")
    plugin.client.ask("log")
    plugin.host.logged(rf"{shown} guest: room 7 is full .*context=\"rooms\.lobby\"")


def test_print_is_an_entry_with_the_plugin_and_the_channel(python):
    plugin = logging_plugin(python, "print('hello', 3)")
    plugin.client.ask("log")
    plugin.host.logged(r'INFO guest: hello 3 plugin="chat" version="\w+" channel="specific\.\S+" context="print"')


def test_standard_error_is_one_entry_a_step(python):
    plugin = logging_plugin(python, "print('one', file=sys.stderr)", "sys.stderr.write('two')")
    plugin.client.ask("log")
    plugin.host.logged(r"WARN guest: one[\s|]*two .*context=\"stderr\"")


def test_a_warning_has_its_file_and_line(python):
    plugin = logging_plugin(python, "warnings.warn('old name')")
    plugin.client.ask("log")
    plugin.host.logged(r"WARN guest: consumers\.py:9: UserWarning: old name .*context=\"warnings\"")


def test_a_traceback_has_the_file_the_line_and_the_source(python):
    plugin = logging_plugin(python, "{}['missing']")
    plugin.client.send("fail")
    assert plugin.client.ended()[0] == 1011
    pattern = r'Traceback \(most recent call last\):[\s|]+File "consumers.py", line 9, in receive[\s|]+{}\[\'missing\'\].*KeyError: \'missing\''
    plugin.host.logged(re.compile(pattern, re.DOTALL))
    # Each further line is indented, so that a plugin cannot forge a line of the host.
    plugin.host.logged(r"Traceback \(most recent call last\):\n  \|   File \"consumers.py\", line 9, in receive\n")
    plugin.host.logged(r"the consumer failed: returned an error: KeyError: 'missing' \(consumers\.py:9 in receive\)")


def test_a_traceback_begins_with_the_code_of_the_plugin(python):
    plugin = logging_plugin(python, "self.send(text_data=7)")
    plugin.client.send("fail")
    assert plugin.client.ended()[0] == 1011
    plugin.host.logged(r'Traceback \(most recent call last\):[\s|]+File "consumers.py", line 9')


def test_an_exception_that_is_logged_has_its_traceback(python):
    plugin = logging_plugin(python, "try:", "    1 / 0", "except ArithmeticError:", "    logger.exception('cannot divide')")
    plugin.client.ask("log")
    plugin.host.logged(re.compile(r"ERROR guest: cannot divide[\s|]+Traceback.*line 10, in receive.*ZeroDivisionError", re.DOTALL))


def test_without_the_capability_nothing_is_logged(python):
    plugin = logging_plugin(python, "print('secret')", manifest={"capabilities": {}})
    assert plugin.client.ask("log") == "done"
    assert "secret" not in plugin.host.log()


# The standard library.


@pytest.mark.parametrize("statement, answer", [
    ("import json; answer = json.loads(json.dumps({'a': [1, None, 'ü']}))", "{'a': [1, None, 'ü']}"),
    ("import re; answer = re.sub(r'(\\w+)@(\\w+)', r'\\2 at \\1', 'ada@home')", "home at ada"),
    ("import hashlib; answer = hashlib.sha256(b'abc').hexdigest()[:16]", "ba7816bf8f01cfea"),
    ("import hashlib; answer = hashlib.blake2b(b'abc', digest_size=8).hexdigest()", "d8bb14d833d59559"),
    ("import hmac; answer = hmac.new(b'key', b'text', 'sha256').hexdigest()[:8]", "6afa9046"),
    ("import datetime as d; answer = d.datetime(2024, 2, 28) + d.timedelta(days=2)", "2024-03-01 00:00:00"),
    ("import datetime as d; answer = d.datetime.fromisoformat('2024-05-01T12:00:00+02:00').astimezone(d.UTC)", "2024-05-01 10:00:00+00:00"),
    ("import zoneinfo, datetime as d; answer = d.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin')).utcoffset()", "2:00:00"),
    ("import uuid; answer = uuid.uuid5(uuid.NAMESPACE_DNS, 'example.com')", "cfbff0d1-9375-5685-968c-48ce8b15ae17"),
    ("import decimal; answer = decimal.Decimal('0.1') + decimal.Decimal('0.2')", "0.3"),
    ("import fractions; answer = fractions.Fraction(1, 3) + fractions.Fraction(1, 6)", "1/2"),
    ("import base64; answer = base64.b64encode(b'\\xff\\x00')", "b'/wA='"),
    ("import collections; answer = collections.Counter('abca').most_common(1)", "[('a', 2)]"),
    ("import itertools; answer = list(itertools.batched('abc', 2))", "[('a', 'b'), ('c',)]"),
    ("import functools; answer = functools.reduce(lambda a, b: a * b, [1, 2, 3])", "6"),
    ("import dataclasses; answer = dataclasses.make_dataclass('Point', ['x'])(3)", "Point(x=3)"),
    ("import enum; answer = enum.Enum('Colour', ['RED']).RED.name", "RED"),
    ("import heapq; heap = [3, 1]; heapq.heapify(heap); answer = heapq.heappop(heap)", "1"),
    ("import math, statistics; answer = (math.isqrt(17), statistics.mean([1, 2]))", "(4, 1.5)"),
    ("import struct; answer = struct.pack('>HI', 1, 2)", "b'\\x00\\x01\\x00\\x00\\x00\\x02'"),
    ("import textwrap; answer = textwrap.shorten('one two three', 9)", "one [...]"),
    ("import string; answer = string.Template('$a!').substitute(a='hi')", "hi!"),
    ("import urllib.parse as u; answer = u.parse_qs('a=1&a=2')", "{'a': ['1', '2']}"),
    ("import html; answer = html.escape('<a>')", "&lt;a&gt;"),
    ("import ipaddress; answer = ipaddress.ip_address('10.0.0.1') in ipaddress.ip_network('10.0.0.0/8')", "True"),
    ("import zlib; answer = zlib.decompress(zlib.compress(b'abc'))", "b'abc'"),
    ("import csv, io; answer = list(csv.reader(io.StringIO('a,\"b,c\"')))", "[['a', 'b,c']]"),
    ("import pickle; answer = pickle.loads(pickle.dumps({1, 2}))", "{1, 2}"),
    ("import tomllib; answer = tomllib.loads('a = 1')", "{'a': 1}"),
    ("import unicodedata; answer = unicodedata.normalize('NFC', 'u\\u0308')", "ü"),
    ("import xml.etree.ElementTree as e; answer = e.fromstring('<a><b>c</b></a>').findtext('b')", "c"),
    ("import contextvars; v = contextvars.ContextVar('v', default=5); answer = v.get()", "5"),
    ("import difflib; answer = difflib.get_close_matches('appel', ['apple', 'pear'])", "['apple']"),
    ("import typing; answer = typing.get_args(dict[str, int])[1].__name__", "int"),
    ("import time; answer = time.monotonic() <= time.monotonic() and time.time() > 1_700_000_000", "True"),
])
def test_a_module_of_the_standard_library_works(shell, statement, answer):
    assert shell.ask(statement) == answer


@pytest.mark.parametrize("expression", ["random.random()", "uuid.uuid4()", "secrets.token_hex()", "os.urandom(8)", "random.getrandbits(64)"])
def test_random_values_differ_between_instances(python, expression):
    plugin = python(SHELL, isolation="connection", manifest=POWERS)
    statement = f"import os, random, secrets, uuid; answer = {expression}"
    assert len({client.ask(statement) for client in plugin.clients(4)}) == 4


# The files of a plugin.


def test_a_plugin_reads_its_own_files(python):
    plugin = python(SHELL, files={"texts/greeting.txt": "grüße", "texts/__init__.py": ""})
    client = plugin.connect()
    assert client.ask("answer = open('texts/greeting.txt').read()") == "grüße"
    assert client.ask("import pathlib; answer = pathlib.Path('texts/greeting.txt').read_text(encoding='utf-8')") == "grüße"
    statement = "import importlib.resources as r; answer = r.files('texts').joinpath('greeting.txt').read_text()"
    assert client.ask(statement) == "grüße"


@pytest.mark.parametrize("statement", ["open('new.txt', 'w')", "open('consumers.py', 'a')"])
def test_a_plugin_writes_no_files_and_is_told_to_use_keyvalue(shell, statement):
    assert re.match("PermissionError: .*use narrowboat.keyvalue", shell.ask(statement))


# Things that a plugin does not have.


@pytest.mark.parametrize("statement, error", [
    ("import threading; threading.Thread(target=print).start()", "RuntimeError: threads are not available.*use asyncio.create_task"),
    ("import concurrent.futures as c; c.ThreadPoolExecutor().submit(print)", "RuntimeError: threads are not available.*use asyncio.create_task"),
    ("import threading; threading.Timer(1, print).start()", "RuntimeError: threads are not available.*use asyncio.create_task"),
    ("open('/etc/passwd')", "FileNotFoundError: .*use narrowboat.keyvalue"),
    ("import socket; socket.socket()", "OSError: sockets are not available.*use narrowboat.http"),
    ("import socket; socket.create_connection(('example.com', 80))", "OSError: sockets are not available.*use narrowboat.http"),
    ("import subprocess; subprocess.run(['ls'])", "OSError: processes are not available.*use"),
    ("import subprocess; subprocess.Popen('ls')", "OSError: processes are not available.*use"),
    ("import os; os.system('ls')", "OSError: processes are not available.*use"),
    ("import os; os.fork()", "OSError: processes are not available.*use"),
])
def test_a_thing_that_a_plugin_lacks_is_an_error_that_says_what_to_use(shell, statement, error):
    answer = shell.ask(statement)
    assert re.match(error, answer), answer


@pytest.mark.parametrize("module, hint", [
    ("requests", "use narrowboat.http"),
    ("ssl", "use narrowboat.http"),
    ("sqlite3", "use narrowboat.keyvalue"),
    ("django", "a plugin has no Django"),
    ("numpy", "the runtime has no C extensions"),
    ("my_missing_package", "vendor/"),
])
def test_a_module_that_is_missing_is_an_error_that_says_what_to_use(python, module, hint):
    plugin = python(SYNC + f"""
class Importer(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        import {module}
""")
    client = plugin.connect()
    client.send("import")
    assert client.ended()[0] == 1011
    plugin.host.logged(rf"returned an error: ModuleNotFoundError: No module named '{module}'; .*{hint}.* \(consumers\.py:5 in receive\)")


def test_sleeping_without_await_is_bounded(python):
    plugin = python(SYNC + """
import time

class Sleeper(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        if text_data == "sleep":
            time.sleep(3600)
        self.send(text_data=text_data)
""", isolation="connection", limits={"wait_time": "300ms"})
    client, other = plugin.clients(2)
    client.send("sleep")
    assert other.ask("awake") == "awake"
    assert client.ended()[0] == 1011
