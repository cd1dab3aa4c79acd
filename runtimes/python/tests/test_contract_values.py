"""Values that the contract cannot carry, such as lone surrogates, are ordinary errors, or are replaced in texts for people.

componentize-py ends the instance with a trap for such values.
"""

import pytest

from instance import Failed, Problems, start

HEADER = """
import asyncio, logging
from channels.generic.websocket import WebsocketConsumer
from asgiref.sync import async_to_sync
from narrowboat import ClientError, group_send_frame, http, keyvalue

class Chat(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        exec(text_data, {**globals(), "self": self, "layer": self.channel_layer})
"""

LONE = r"'\ud800'"


@pytest.fixture
def client():
    client = start(HEADER).connect()
    client.host = client.instance.host
    return client


def texts_of(entries):
    return [text for entry in entries for text in entry]


@pytest.mark.parametrize(
    "command",
    [
        f"self.send({LONE})",
        f"self.send(text_data='x' + {LONE})",
        f"group_send_frame('g', {LONE})",
        f"self.close(4000, {LONE})",
        f"raise ClientError(4000, {LONE})",
        f"keyvalue.open({LONE})",
        f"keyvalue.Bucket('b').get({LONE})",
        f"http.get('http://localhost/' + {LONE})",
        f"http.request({LONE}, 'http://localhost/')",
        f"http.get('http://localhost/', headers={{{LONE}: 'x'}})",
        "http.get('http://localhost/', timeout=-1)",
        "http.get('http://localhost/', timeout=float('nan'))",
        "http.get('http://localhost/', timeout=1e300)",
        "keyvalue.Bucket('b').increment('n', 2**63)",
        "raise ClientError(1000, 'x')",
        "raise ClientError(10**9, 'x')",
        "raise ClientError(4000, 'x' * 124)",
    ],
)
def test_a_value_out_of_range_is_a_value_error(client, command):
    with pytest.raises(Failed, match=r"UnicodeEncodeError|ValueError|InvalidRequest|OverflowError"):
        client.send(command)


@pytest.mark.parametrize(
    "command",
    [
        "async_to_sync(layer.group_add)('g', 5)",
        "async_to_sync(layer.group_add)(None, 'c')",
        "async_to_sync(layer.group_discard)('g', None)",
        "self.accept(5)",
        "keyvalue.open(5)",
        "keyvalue.Bucket('b').get(None)",
        "keyvalue.Bucket('b').set('k', 5)",
        "keyvalue.Bucket('b').increment('n', 'x')",
        "http.get(5)",
        "raise ClientError('x', 'x')",
        "raise ClientError(4000, 5)",
    ],
)
def test_a_value_of_another_type_is_an_error_of_its_line(client, command):
    with pytest.raises(Failed, match=r"TypeError|RuntimeError: the handshake"):
        client.send(command)


@pytest.mark.parametrize("mark", ["7", "()", "('x', 'y')", "(4000, 5)"])
def test_a_mark_of_the_client_that_a_plugin_has_changed_blames_the_plugin(client, mark):
    with pytest.raises(Failed, match="ValueError: mine"):
        client.send(f"error = ValueError('mine'); error.__narrowboat_close__ = {mark}; raise error")


def test_an_error_of_the_contract_that_a_plugin_raises_is_its_own_error(client):
    with pytest.raises(Failed, match="Err"):
        client.send("from componentize_py_types import Err; raise Err(5)")


@pytest.mark.parametrize(
    "command",
    [
        f"raise ValueError({LONE})",
        f"error = ValueError(); error.add_note({LONE}); raise error",
        f"raise type({LONE[:-1]}x', (Exception,), {{}})",
    ],
)
def test_the_text_of_an_error_escapes_lone_surrogates(client, command):
    with pytest.raises(Failed, match=r"\\ud800") as failed:
        client.send(command)
    str(failed.value).encode()
    for text in texts_of(client.host.log):
        text.encode()


@pytest.mark.parametrize("name", ["'chat'", LONE])
def test_an_entry_of_the_log_escapes_lone_surrogates(client, name):
    with client.instance.entered():
        log = client.instance._modules["narrowboat_runtime.log"]
        log.write(log.Level.INFO, eval(name), "a \ud800 b")
    _, context, text = client.host.log[-1]
    assert text == r"a \ud800 b"
    context.encode()


ODD = {
    "notes that are no list": "error = ValueError('odd'); error.__notes__ = 5; raise error",
    "a name that raises": "M = type('M', (type,), {'__name__': property(lambda s: 1 / 0)}); raise M('E', (Exception,), {})('odd')",
    "a text that raises": "E = type('E', (Exception,), {'__str__': lambda s: 1 / 0}); raise E('odd')",
    "a group in a group in a group": "error = ValueError('odd')\nfor _ in range(3000): error = ExceptionGroup('odd', [error])\nraise error",
}


@pytest.mark.parametrize("command", ODD.values(), ids=ODD)
def test_an_exception_that_cannot_be_shown_is_described_by_its_type(client, command):
    with pytest.raises(Failed):
        client.send(command)
    assert any("traceback" in entry for entry in client.host.log)


def test_a_record_that_cannot_be_formatted_is_an_entry_with_its_line(client):
    with client.instance.entered():
        log = client.instance._modules["narrowboat_runtime.log"]
        import logging

        log.HostHandler().emit(logging.LogRecord("chat", 20, "consumers.py", 7, "%d", ("x",), None))
    _, context, text = client.host.log[-1]
    assert context == "chat" and "consumers.py:7 cannot be formatted: TypeError" in text


@pytest.mark.parametrize("line", ["-5", "0", "2**40", "'x'", "None"])
def test_a_syntax_error_that_a_module_raises_may_have_any_line(line):
    with pytest.raises(Problems) as found:
        start(f"raise SyntaxError('mine', ('consumers.py', {line}, {line}, {LONE}))\n" + HEADER)
    (problem,) = found.value.args[0]
    assert "mine" in problem.message and problem.line is None
    if problem.source is not None:
        problem.source.encode()
