"""Tests reach the channel layer, the buckets, the requests, the versions and the log of the plugin."""

import pytest
from instance import Instance, Problems
from scripted_host import message_of, play


def test_a_channel_receives_messages_and_frames():
    host = play(
        """
channel = Channel()
assert channel.name == "specific.t!1"
channel.join("chat")
assert channel.receive_nothing()
assert channel.receive() == {"type": "a"}
assert channel.receive() == b"frame"
channel.leave("chat")
with raises(AssertionError, match="nothing has arrived at the channel specific.t!1"):
    channel.receive()
""",
        open_channel=[{"channel": "specific.t!1"}],
        channel_receive=[None, {"message": {"type": "a"}}, {"data": b"frame"}, None],
    )
    assert host.requests_of("group_add") == [{"group": "chat", "channel": "specific.t!1"}]
    assert host.requests_of("group_discard") == [{"group": "chat", "channel": "specific.t!1"}]


def test_messages_go_to_channels_and_groups():
    host = play(
        """
send("words", {"type": "count"})
group_send("chat", {"type": "chat.message", "n": 1})
group_send_frame("chat", text_data="a")
with raises(ValueError, match="a message needs the key"):
    send("words", {})
"""
    )
    assert host.requests == [
        {"op": "layer_send", "channel": "words", "message": {"type": "count"}},
        {"op": "group_send", "group": "chat", "message": {"type": "chat.message", "n": 1}},
        {"op": "group_send_frame", "group": "chat", "data": "a"},
    ]


def test_the_layer_of_channels_reaches_the_host_of_the_test():
    host = play(
        """
from channels.layers import get_channel_layer
layer = get_channel_layer()
name = await layer.new_channel()
await layer.group_add("chat", name)
await layer.group_send("chat", {"type": "a"})
await layer.send("words", {"type": "b"})
assert await layer.receive(name) == {"type": "c"}
""",
        open_channel=[{"channel": "specific.t!1"}],
        channel_receive=[None, {"message": {"type": "c"}}],
    )
    operations = [request["op"] for request in host.requests if request["op"] != "advance"]
    assert operations == ["open_channel", "group_add", "group_send", "layer_send", "channel_receive", "channel_receive"]


def test_buckets_are_those_of_the_plugin():
    host = play(
        """
bucket = keyvalue.open("visits")
bucket.set("a", "1")
assert bucket.get("a") == b"4" and bucket.exists("a")
assert bucket.increment("a", 2) == 6
assert list(bucket.list_keys()) == ["a"]
bucket.delete("a")
""",
        keyvalue_get=[b"4"],
        keyvalue_keys=[["a"]],
        keyvalue_increment=[6],
    )
    assert host.requests_of("keyvalue_set") == [{"bucket": "visits", "key": "a", "value": b"1"}]
    assert host.requests_of("keyvalue_increment") == [{"bucket": "visits", "key": "a", "delta": 2}]
    assert host.requests_of("keyvalue_delete") == [{"bucket": "visits", "key": "a"}]


def test_buckets_of_the_plugin_have_all_operations():
    host = play(
        """
bucket = keyvalue.open("visits")
bucket.set("s", "ann", ttl=60)
assert (bucket.ttl("s"), bucket.ttl("s")) == (1.5, None) and bucket.set_ttl("s", 5)
assert bucket.update("s", lambda old: old + b"!") == b"ann!"
assert not bucket.compare_and_set("s", "ann", "bob")
bucket.set_many({"a": "1"})
assert bucket.get_many(["a"]) == {"a": b"ann"}
assert list(bucket.list_keys("a")) == ["a1", "a2"]
""",
        keyvalue_get=[b"ann"],
        keyvalue_ttl=[{"milliseconds": 1500}, None],
        keyvalue_set_ttl=[True],
        keyvalue_compare_and_set=[True, False],
        keyvalue_keys=[["a1", "a2"]],
    )
    assert host.requests_of("keyvalue_set")[0] == {"bucket": "visits", "key": "s", "value": b"ann", "ttl": 60_000}
    assert host.requests_of("keyvalue_set_ttl") == [{"bucket": "visits", "key": "s", "ttl": 5_000}]
    assert host.requests_of("keyvalue_compare_and_set")[:1] == [
        {"bucket": "visits", "key": "s", "expected": b"ann", "value": b"ann!"}
    ]
    assert host.requests_of("keyvalue_keys") == [{"bucket": "visits", "prefix": "a"}]


def test_the_configuration_is_that_of_the_plugin():
    host = play(
        """
set_config({"smtp": {"host": "a", "port": 25}, "old": None}, debug=True, names=["ann", "bob"])
assert config["greeting"] == "hello" and dict(config) == {"greeting": "hello"}
with raises(TypeError):
    set_config(names={"ann", "bob"})
""",
        config=[{"greeting": "hello"}],
    )
    changes = {"smtp": {"host": "a", "port": 25}, "old": None, "debug": True, "names": ["ann", "bob"]}
    assert host.requests_of("set_config") == [{"changes": changes}]


def test_requests_of_the_plugin_get_responses():
    host = play(
        """
respond("https://a.example/*", 201, json={"b": 1}, headers={"X-A": "1"}, method="POST", times=2)
respond("https://a.example/", body="text")
fail_request("https://b.example/", "timeout")
with raises(ValueError, match="not with 'lost'"):
    fail_request("https://b.example/", "lost")
(sent,) = requests()
assert (sent.method, sent.url, sent.json(), sent.header("X-B")) == ("POST", "https://a.example/x", [1], "2")
""",
        requests=[[{"method": "POST", "url": "https://a.example/x", "headers": [["x-b", b"2"]], "body": b"[1]"}]],
    )
    assert host.requests_of("respond") == [
        {
            "method": "POST", "url": "https://a.example/*", "status": 201, "body": b'{"b": 1}', "times": 2,
            "headers": [["x-a", b"1"], ["content-type", b"application/json"]],
        },
        {"method": None, "url": "https://a.example/", "status": 200, "headers": [], "body": b"text", "times": None},
    ]  # fmt: skip
    assert host.requests_of("fail_request") == [
        {"method": None, "url": "https://b.example/", "error": "timeout", "times": None}
    ]


def test_the_code_of_a_test_has_no_network():
    message = message_of("from narrowboat import http\nhttp.get('https://a.example/')")
    assert message.startswith("HttpError: the code of a test has no network: respond()")


def test_swap_makes_another_version_live():
    host = play(
        """
done = swap({"consumers.py": read_file("consumers.py") + "x = 1", "old.py": None})
assert (done.version, done.moved) == ("v2", 1)
swap()
""",
        swap=[{"version": "v2", "moved": 1}],
        read_file=["text\n"],
    )
    assert host.requests_of("swap") == [
        {"files": {"consumers.py": "text\nx = 1", "old.py": None}, "component": None},
        {"files": None, "component": None},
    ]


def test_a_version_that_is_refused_is_an_exception():
    play(
        'with raises(SwapRefused, match="consumers.py:1"):\n    swap({"consumers.py": "x ="})',
        swap=[LookupError("consumers.py:1: SyntaxError")],
    )


def test_logs_and_faults_are_those_of_the_plugin():
    play(
        """
(entry,) = logs()
assert (entry.level, entry.message, entry.context) == ("info", "hi", "print")
assert faults() == ["KeyError"]
""",
        logs=[[{"level": "info", "message": "hi", "context": "print"}]],
        faults=[["KeyError"]],
    )


def test_advance_takes_seconds():
    host = play("advance(1.5)\nadvance(0)\nwith raises(ValueError):\n    advance(-1)")
    assert [request["milliseconds"] for request in host.requests] == [1500, 0]


@pytest.mark.parametrize("statement", ["Channel()", "swap()", "logs()"])
def test_outside_a_test_the_functions_say_who_runs_them(statement):
    source = f"from narrowboat.testing import *\n{statement}\n"
    with pytest.raises(Problems) as found:
        Instance().collect({"test_it.py": source})
    (problem,) = found.value.args[0]
    assert "narrowboat.testing works in tests that `narrowboat test` runs" in problem.message
