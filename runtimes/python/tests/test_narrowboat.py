"""What Narrowboat adds to Django Channels."""

import pytest
from instance import Failed, start

HEADER = """
from channels.generic.websocket import WebsocketConsumer
import json, math
from datetime import timedelta
from narrowboat import config, http, keyvalue

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

        store = sys.modules["wit_world.imports.wasi_keyvalue_store"]
        instance.host.errors["open"] = sys.modules["componentize_py_types"].Err(store.Error_AccessDenied())
    with pytest.raises(Failed, match="AccessDenied: the plugin may not use keyvalue: request the capability"):
        instance.connect().send("keyvalue.open('a')")


def test_a_bucket_is_a_mapping():
    expression = "[b := keyvalue.open('a'), b.__setitem__('k', 'v'), b['k'], 'k' in b, list(b), b.__delitem__('k'), 'k' in b]"
    assert ask(f"{expression}[2:]") == [b"v", True, ["k"], None, False]
    with pytest.raises(Failed, match="KeyError: 'k'"):
        start(HEADER).connect().send("keyvalue.open('a')['k']")


def test_keys_with_a_prefix_are_listed_and_paged():
    fill = "b := keyvalue.open('a'), b.set_many(dict.fromkeys(['a1', 'a2', 'a3', 'b'], ''))"
    assert ask(f"[{fill}, list(b.list_keys('a'))][-1]") == ["a1", "a2", "a3"]
    page = "p := b.list_page('a', limit=2), tuple(p), tuple(b.list_page('a', p.cursor))"
    assert ask(f"[{fill}, {page}][-2:]") == [(["a1", "a2"], "2"), (["a3"], None)]


def test_several_keys_are_set_read_and_deleted_at_once():
    batch = "b.set_many({'a': '1', 'b': b'2'}), b.set_many([('c', '3')]), b.delete_many(['b']), b.get_many(['c', 'b', 'a'])"
    assert ask(f"[b := keyvalue.open('a'), {batch}][-1]") == {"c": b"3", "a": b"1"}


@pytest.mark.parametrize("ttl", ["90", "90.0", "timedelta(minutes=1.5)"])
def test_a_key_has_a_time_to_live(ttl):
    assert ask(f"[b := keyvalue.open('a'), b.set('k', 'v', ttl={ttl}), b.ttl('k')][-1]") == 90


def test_the_time_to_live_of_a_key_changes():
    steps = "b.ttl('k'), b.set('k', 'v'), str(b.ttl('k')), b.set_ttl('k', 0.0001), b.ttl('k'), b.set_ttl('k', None), str(b.ttl('k'))"
    assert ask(f"[b := keyvalue.open('a'), {steps}][1:]") == [None, None, "inf", True, 0.001, True, "inf"]


@pytest.mark.parametrize("ttl", ["0", "-1", "float('nan')", "float('inf')", "1e12", "True", "'5'"])
def test_a_time_to_live_out_of_range_is_an_error(ttl):
    with pytest.raises(Failed, match="ValueError|TypeError"):
        start(HEADER).connect().send(f"keyvalue.open('a').set('k', 'v', ttl={ttl})")


def test_a_value_is_set_if_the_key_has_the_expected_one():
    steps = "b.compare_and_set('k', 'x', '1'), b.compare_and_set('k', None, '1'), b.compare_and_set('k', b'1', '2'), b.get('k')"
    assert ask(f"[b := keyvalue.open('a'), {steps}][1:]") == [False, True, True, b"2"]


def test_an_update_starts_again_with_the_value_of_another_writer():
    change = "lambda old, b=b, seen=seen: (seen.append(old), len(seen) < 3 and b.increment('n'), (old or b'') + b'.')[-1]"
    assert ask(f"[b := keyvalue.open('a'), seen := [], b.update('n', {change}), seen][-2:]") == [b"2.", [None, b"1", b"2"]]


def test_an_update_that_raises_changes_nothing():
    instance = start(HEADER)
    with pytest.raises(Failed, match="ZeroDivisionError"):
        instance.connect().send("keyvalue.open('a').update('k', lambda old: 1 / 0)")
    assert ask("keyvalue.open('a').exists('k')", instance) is False


def test_an_update_that_the_store_refuses_is_an_error():
    instance = start(HEADER)
    with instance.entered():
        import sys

        instance.host.errors["swap"] = sys.modules["wit_world.imports.wasi_keyvalue_store"].Error_Other("over the quota")
    with pytest.raises(Failed, match="KeyValueError: over the quota"):
        instance.connect().send("keyvalue.open('a').update('k', lambda old: 'x')")


def configured(**values):
    instance = start(HEADER)
    instance.host.config.update(values)
    return instance


def test_the_configuration_is_a_mapping():
    instance = configured(greeting="hello", limit="20")
    assert ask("[config['greeting'], config.get('x'), config.get('x', 1), 'x' in config, 'limit' in config]", instance) == [
        "hello", None, 1, False, True,
    ]  # fmt: skip
    assert ask("[dict(config), list(config), len(config), list(config.items())]", instance) == [
        {"greeting": "hello", "limit": "20"}, ["greeting", "limit"], 2, [("greeting", "hello"), ("limit", "20")],
    ]  # fmt: skip


def test_a_change_of_the_configuration_is_seen_at_the_next_access():
    instance = configured(key="old")
    client = instance.connect()
    for value in ("old", "new"):
        instance.host.config["key"] = value
        assert ("send", client.name, repr(value)) in client.send("config['key']")


def test_a_missing_key_of_the_configuration_says_where_to_set_it():
    with pytest.raises(Failed, match=r"no value for .*api_key.*: set it in narrowboat.toml below \[plugins.NAME.config\].*env =.*set_config"):
        start(HEADER).connect().send("config['api_key']")


def test_values_of_the_configuration_are_parsed():
    instance = configured(limit="20", debug="true", names='["a"]')
    parsed = "[config.parse('limit', int), config.parse('debug', bool), config.parse('names', json.loads), config.parse('x', int, 5)]"
    assert ask(parsed, instance) == [20, True, ["a"], 5]


@pytest.mark.parametrize("kind", ["int", "bool", "float", "json.loads"])
def test_an_error_of_parsing_does_not_have_the_value(kind):
    with pytest.raises(Failed) as failed:
        configured(key="hunter2").connect().send(f"config.parse('key', {kind})")
    assert "the value of 'key' in the configuration of the plugin is not a valid" in str(failed.value)
    assert "hunter2" not in str(failed.value)


def test_the_configuration_is_no_state():
    instance = configured(key="hunter2")
    ask("config['key']", instance)
    assert "hunter2" not in repr(instance.save())


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
