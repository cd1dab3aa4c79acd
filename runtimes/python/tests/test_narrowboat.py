"""What Narrowboat adds to Django Channels."""

import pytest
from instance import Failed, start

HEADER = """
from channels.generic.websocket import WebsocketConsumer
from narrowboat import http, keyvalue

class Chat(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=repr(eval(text_data)))
"""


def ask(expression, instance=None):
    instance = instance or start(HEADER)
    return eval([effect for effect in instance.connect().send(expression) if effect[0] == "send"][0][2])


def test_a_bucket_keeps_bytes():
    assert ask(
        "[b := keyvalue.open('a'), b.set('k', 'text'), b.get('k'), b.exists('k'), b.delete('k'), b.get('k', 1)][1:]"
    ) == [None, b"text", True, None, 1]


def test_a_bucket_counts():
    assert ask("[b := keyvalue.open('a'), b.increment('n'), b.increment('n', 5)][1:]") == [1, 6]


def test_keys_are_listed_over_pages():
    assert ask("[b := keyvalue.open('a'), *map(b.increment, '01234'), list(b.list_keys())][-1]") == [
        "0",
        "1",
        "2",
        "3",
        "4",
    ]


def test_a_bucket_without_the_capability_is_an_error():
    instance = start(HEADER)
    with instance.entered():
        import sys

        store = sys.modules["wit_world.imports.store"]
        instance.host.errors["open"] = sys.modules["componentize_py_types"].Err(store.Error_AccessDenied())
    with pytest.raises(Failed, match="AccessDenied: the plugin may not use keyvalue: request the capability"):
        instance.connect().send("keyvalue.open('a')")


def respond(instance, status=200, headers=(), parts=(b"",)):
    with instance.entered():
        import sys

        types, ok = sys.modules["wit_world.imports.wasi_http_types"], sys.modules["componentize_py_types"].Ok
        instance.host.response = ok(ok(types.Response(status, list(headers), parts)))


def test_a_request_has_a_response():
    instance = start(HEADER)
    respond(instance, 201, [("x-a", b"1")], [b'{"a"', b": 1}"])
    assert ask(
        "[r := http.get('https://api.example.com/x?y=1#z', headers={'X-B': '2'}, timeout=1.5), (r.status, r.header('X-A'), r.json(), r.text)][1]",
        instance,
    ) == (201, "1", {"a": 1}, '{"a": 1}')
    request = [effect for effect in instance.host.effects if effect[0] == "request"]
    assert not request or request[0][1:5] == ("Method_Get", "Scheme_Https", "api.example.com", "/x?y=1")


def test_a_request_may_have_a_body():
    instance = start(HEADER)
    respond(instance)
    client = instance.connect()
    effects = client.send("http.post('http://a', json={'n': 1}).status")
    assert ("request_body", b'{"n": 1}') in effects
    request = [effect for effect in effects if effect[0] == "request"][0]
    assert request[:5] == ("request", "Method_Post", "Scheme_Http", "a", "/")
    assert ("content-length", b"8") in request[5] and ("content-type", b"application/json") in request[5]


@pytest.mark.parametrize(
    "case, text",
    [
        ("HttpRequestDenied", "RequestDenied: the manifest does not request"),
        ("DnsTimeout", "RequestTimedOut"),
        ("ConnectionRefused", "HttpError: ConnectionRefused"),
    ],
)
def test_an_error_of_a_request_is_an_exception(case, text):
    instance = start(HEADER)
    with instance.entered():
        import sys

        types = sys.modules["wit_world.imports.wasi_http_types"]
        instance.host.errors["request"] = sys.modules["componentize_py_types"].Err(
            getattr(types, f"ErrorCode_{case}")()
        )
    with pytest.raises(Failed, match=text):
        instance.connect().send("http.get('http://a')")


@pytest.mark.parametrize("url", ["a", "://a", "http://", "http:///a"])
def test_a_wrong_url_is_an_error(url):
    with pytest.raises(Failed, match="is not a URL of the form"):
        start(HEADER).connect().send(f"http.get({url!r})")
