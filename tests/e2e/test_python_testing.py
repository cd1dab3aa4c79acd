"""`narrowboat test` on plugins in Python."""

import json
import textwrap
from pathlib import Path

import pytest

from support import toml

CHAT = """
import asyncio
from channels.generic.websocket import AsyncWebsocketConsumer
from narrowboat import Rejected, http, keyvalue

class Chat(AsyncWebsocketConsumer):
    async def connect(self):
        self.count = 0
        user = self.scope["user"]
        if user.is_anonymous and self.scope["query_string"] == b"private":
            raise Rejected(401, "log in first")
        if b"slow" in self.scope["query_string"]:
            await asyncio.sleep(2)
        await self.channel_layer.group_add("chat", self.channel_name)
        await self.accept(subprotocol=next(iter(self.scope["subprotocols"]), None))
        if user.is_authenticated:
            await self.send(text_data=f"hello {user.username}")

    async def receive(self, text_data=None, bytes_data=None):
        self.count += 1
        if text_data == "count":
            await self.send(text_data=str(self.count))
        elif text_data == "later":
            await asyncio.sleep(20)
            await self.send(text_data="now")
        elif text_data == "close":
            await self.close(4001, "you asked for it")
        elif text_data == "fail":
            {}["a"]
        elif text_data == "store":
            keyvalue.open("texts").increment("stored")
        elif text_data == "forever":
            await self.channel_layer.group_send("chat", {"type": "chat.forever"})
        elif text_data == "fetch":
            try:
                await self.send(text_data=http.get("https://weather.example/today").text)
            except http.HttpError as error:
                await self.send(text_data=type(error).__name__)
        else:
            print("got", text_data)
            await self.channel_layer.group_send("chat", {"type": "chat.message", "text": text_data})

    async def chat_forever(self, event):
        await self.channel_layer.group_send("chat", event)

    async def chat_message(self, event):
        await self.send(text_data=event["text"])
"""

MANIFEST = {
    "name": "chat",
    "runtime": "python",
    "capabilities": {
        "log": True, "groups": ["*"], "channels": ["*"], "keyvalue": True, "http": ["https://weather.example"],
    },
}  # fmt: skip

HEADER = "from narrowboat.testing import *\n"


@pytest.fixture
def test_plugin(narrowboat, tmp_path):
    """Runs `narrowboat test` on a plugin with these tests. Returns the process and the results by name."""

    def run(tests, *options, consumers=CHAT, files=None):
        files = {"consumers.py": consumers, "plugin.toml": toml(MANIFEST), "test_chat.py": tests, **(files or {})}
        for path, text in files.items():
            file = tmp_path / "chat" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text))
        done = narrowboat("test", tmp_path / "chat", "--json", *options)
        tests = [event for line in done.stdout.splitlines() if (event := json.loads(line))["event"] == "test"]
        for test in tests:
            test["file"] = str(Path(test["file"]).relative_to(tmp_path / "chat"))
        return done, {test["name"].partition("::")[2]: test for test in tests}

    return run


@pytest.fixture
def passes(test_plugin):
    """Runs tests that have to pass."""

    def run(tests, **options):
        done, results = test_plugin(HEADER + textwrap.dedent(tests), **options)
        assert done.returncode == 0, done.stdout + done.stderr
        assert results

    return run


@pytest.mark.parametrize("template", ["echo", "chat", "room", "worker"])
def test_the_tests_of_a_new_plugin_pass(narrowboat, tmp_path, template):
    assert narrowboat("new", tmp_path / "fresh", "--template", template).returncode == 0
    done = narrowboat("test", tmp_path / "fresh")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed" in done.stdout


def test_clients_of_a_group_get_messages(passes):
    passes(
        """
        async def test_it():
            other = Channel()
            other.join("chat")
            async with Communicator("/chat/") as ann, Communicator("/chat/") as bob:
                await ann.send_to(text_data="hi")
                assert await ann.receive_from() == await bob.receive_from() == "hi"
                assert other.receive() == {"type": "chat.message", "text": "hi"}
                group_send("chat", {"type": "chat.message", "text": "all"})
                send(bob.channel_name, {"type": "chat.message", "text": "only bob"})
                group_send_frame("chat", text_data="frame")
                assert [await ann.receive_from(), await ann.receive_from()] == ["all", "frame"]
                assert [await bob.receive_from() for _ in range(3)] == ["all", "only bob", "frame"]
                assert await ann.receive_nothing()
            assert ("info", "got hi", "print") in logs()
        """
    )


def test_a_handshake_has_a_user_and_a_response(passes):
    passes(
        """
        async def test_it():
            client = Communicator("/chat/?private")
            assert await client.connect() == (False, 401)
            assert client.response.text == "log in first"
            async with Communicator("/chat/?private", user={"sub": "ann"}, subprotocols=["a", "b"]) as client:
                assert client.subprotocol == "a"
                assert await client.receive_from() == "hello ann"
        """
    )


def test_a_consumer_that_decides_later_needs_the_clock(passes):
    passes(
        """
        async def test_it():
            client = Communicator("/chat/?slow")
            with raises(TimeoutError):
                await client.connect()
            advance(1)
            assert await client.connect(timeout=5) == (True, None)
            await client.disconnect()
        """
    )


def test_timers_of_the_plugin_follow_the_clock_of_the_test(passes):
    passes(
        """
        import asyncio
        async def test_it():
            async with Communicator("/chat/") as client:
                await client.send_to(text_data="later")
                advance(19)
                assert await client.receive_nothing()
                await asyncio.sleep(1)
                assert await client.receive_from() == "now"
                await client.send_to(text_data="later")
                assert await client.receive_from(timeout=60) == "now"
        """
    )


SLEEPER = """
import time
from channels.generic.websocket import WebsocketConsumer
from narrowboat import http, keyvalue

class Sleeper(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        began = time.monotonic()
        if text_data == "fetch":
            try:
                http.get("https://elsewhere.example/")
            except http.HttpError as error:
                self.send(text_data=type(error).__name__)
            return
        if text_data == "store":
            keyvalue.open("texts").increment("stored")
        time.sleep(0.5)
        # Without the capability `clocks`, the clock has steps of 0.1 s.
        self.send(text_data="slept" if 0.35 < time.monotonic() - began < 0.65 else "awake")

    def __getstate__(self):
        time.sleep(0.01)
        return {}
"""


@pytest.mark.parametrize("manifest", [MANIFEST, {**MANIFEST, "capabilities": {}}], ids=["all", "none"])
def test_a_plugin_that_sleeps_lets_time_pass_in_a_test(passes, manifest):
    passes("""
        async def test_sleep():
            async with Communicator("/chat/") as client:
                await client.send_to("sleep")
                assert await client.receive_from() == "slept"

        async def test_a_request_without_the_capability_is_denied():
            async with Communicator("/chat/") as client:
                await client.send_to("fetch")
                assert await client.receive_from() == "RequestDenied"

        async def test_swap():
            async with Communicator("/chat/") as client:
                swap()
                await client.send_to("sleep")
                assert await client.receive_from() == "slept"
    """, consumers=SLEEPER, files={"plugin.toml": toml(manifest)})


def test_closes_and_faults_can_be_asserted(passes):
    passes(
        """
        async def test_it():
            async with Communicator("/chat/") as client:
                await client.send_to(text_data="close")
                assert await client.receive_close() == (4001, "you asked for it")
            assert faults() == []
            async with Communicator("/chat/") as client:
                await client.send_to(text_data="fail")
                assert (await client.receive_close()).code == 1011
            assert any("KeyError: 'a' (consumers.py:" in fault for fault in faults())
        """
    )


def test_a_client_that_ends_its_connection_knows_how(passes):
    passes(
        """
        async def test_disconnect():
            client = Communicator("/chat/")
            await client.connect()
            await client.send_to(text_data="last")
            await client.disconnect(3001, "done")
            assert client.closed == (3001, "done")
            assert not await client.receive_nothing()
            assert await client.receive_from() == "last"
            assert await client.receive_nothing()
            assert await client.receive_close() == (3001, "done")

        async def test_abort():
            client = Communicator("/chat/")
            await client.connect()
            await client.abort()
            assert client.closed == (1006, "")
            assert await client.receive_nothing()
            assert await client.receive_close() == (1006, "")
        """
    )


def test_requests_of_the_plugin_get_the_responses_of_the_test(passes):
    passes(
        """
        async def test_it():
            async with Communicator("/chat/") as client:
                respond("https://weather.example/*", body="sunny")
                await client.send_to(text_data="fetch")
                assert await client.receive_from() == "sunny"
                assert [(sent.method, sent.url) for sent in requests()] == [("GET", "https://weather.example/today")]
                fail_request("https://weather.example/today", "timeout")
                await client.send_to(text_data="fetch")
                assert await client.receive_from() == "RequestTimedOut"
        """
    )


def test_buckets_of_the_plugin_can_be_read_and_written(passes):
    passes(
        """
        async def test_it():
            bucket = keyvalue.open("texts")
            bucket.set("stored", "4")
            async with Communicator("/chat/") as client:
                await client.send_to(text_data="store")
            assert bucket.get("stored") == b"5"
            assert bucket.increment("stored") == 6
            assert list(bucket.list_keys()) == ["stored"]
            bucket.delete("stored")
            assert not bucket.exists("stored")

        def test_each_test_has_its_own_buckets():
            assert list(keyvalue.open("texts").list_keys()) == []
        """
    )


def test_all_operations_on_buckets_reach_the_plugin_and_times_follow_the_clock(passes):
    passes(
        """
        import math

        def test_it():
            bucket = keyvalue.open("texts")
            bucket.set("session", "ann", ttl=1800)
            advance(1799.5)
            assert bucket.ttl("session") == 0.5 and bucket["session"] == b"ann"
            assert bucket.update("session", lambda old: old + b"!") == b"ann!"
            advance(0.5)
            assert "session" not in bucket and bucket.ttl("session") is None
            bucket.set_many({"a1": "1", "a2": "2", "b": "3"})
            bucket.delete_many(["b"])
            assert bucket.get_many(["a2", "b", "a1"]) == {"a2": b"2", "a1": b"1"}
            assert list(bucket.list_keys("a")) == ["a1", "a2"]
            assert bucket.list_page("a", limit=1).keys == ["a1"]
            assert not bucket.compare_and_set("a1", None, "x") and bucket.compare_and_set("a1", "1", "x")
            assert bucket.ttl("a1") == math.inf and bucket.set_ttl("a1", 1)
            assert bucket.increment("n", -2) == -2
            advance(1)
            assert sorted(bucket) == ["a2", "n"]
        """
    )


SETTINGS = """
from channels.generic.websocket import WebsocketConsumer
from narrowboat import config

class Settings(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=config.get(text_data, "none"))
"""


def test_a_setting_becomes_the_text_that_the_configuration_would_give(passes):
    passes(
        """
        import datetime as d

        def test_it():
            noon = d.datetime(2026, 3, 28, 12, 0, 0, 500_000, tzinfo=d.timezone(d.timedelta(hours=1)))
            set_config({"flag": True, "half": 0.5, "none": float("nan"), "day": noon.date(), "time": noon,
                        "list": [1, "a", noon.date(), {"b": False}], "smtp": {"tls": {"on": False}}})
            assert dict(config) == {
                "flag": "true", "half": "0.5", "none": "nan", "day": "2026-03-28", "time": "2026-03-28T12:00:00.5+01:00",
                "list": '[1,"a","2026-03-28",{"b":false}]', "smtp.tls.on": "false",
            }
        """,
        consumers=SETTINGS,
    )


def test_a_setting_that_the_configuration_could_not_have_is_refused(passes):
    passes(
        """
        import re

        @parametrize("values, problem", [
            ({"": 1}, "config.: the key of a setting must not be empty"),
            ({"k" * 300: 1}, "must have at most 256 bytes"),
            ({"a": {"b": [None]}}, "config.a.b: TOML has no null; leave the value out"),
            ({"a": {"env": "TOKEN"}}, "config.a: is a reference to a secret"),
            ({"a": b"x"}, "config.a: bytes are no value of TOML"),
            ({"a": {"b": {1, 2}}}, "config.a.b: a value of the configuration has to be str"),
            ({1: 2}, "config: a key of the configuration has to be str, not int"),
        ])
        def test_it(values, problem):
            with raises(Exception, match=re.escape(problem)):
                set_config(values)
        """,
        consumers=SETTINGS,
    )


def test_a_time_without_a_zone_is_refused_with_a_correct_one(passes):
    passes(
        """
        import datetime as d

        @parametrize("time", ["2026-03-28T12:00:00", "2026-03-28", "noon", d.datetime(2026, 3, 28), d.date(2026, 3, 28), 7])
        def test_it(time):
            with raises((TypeError, ValueError), match="2026-03-28T12:00:00\\+01:00"):
                set_time(time)
        """,
        consumers=SETTINGS,
    )


def test_a_missing_setting_says_where_to_set_it_and_for_which_plugin(test_plugin):
    tests = "from narrowboat.testing import *\n\ndef test_it():\n    assert config['api_key']\n"
    done, tests = test_plugin(tests, consumers=SETTINGS)
    told = tests["test_it"]["message"]
    assert '"api_key": set it in narrowboat.toml below [plugins.chat.config]' in told
    assert "set_config(" in told and '{ env = "VARIABLE" } or { file = "PATH" }' in told


def test_a_test_sets_the_configuration_of_the_plugin(passes):
    passes(
        """
        @fixture(autouse=True)
        def settings():
            set_config(api_key="first", smtp={"port": 25})

        async def test_it():
            async with Communicator("/chat/") as client:
                for value in ("first", "second"):
                    set_config(api_key=value)
                    await client.send_to(text_data="api_key")
                    assert await client.receive_from() == value
                await client.send_to(text_data="smtp.port")
                assert await client.receive_from() == "25"
                set_config(api_key=None)
                await client.send_to(text_data="api_key")
                assert await client.receive_from() == "none"
                assert dict(config) == {"smtp.port": "25"}

        def test_each_test_has_its_own_configuration():
            assert config["api_key"] == "first"
        """,
        consumers=SETTINGS,
    )


def test_state_moves_to_another_version_in_the_middle_of_a_test(passes):
    passes(
        """
        async def test_it():
            async with Communicator("/chat/") as client:
                await client.send_to(text_data="count")
                assert await client.receive_from() == "1"
                code = read_file("consumers.py")
                assert swap({"consumers.py": code.replace("str(self.count)", "str(-self.count)")}).moved == 1
                await client.send_to(text_data="count")
                assert await client.receive_from() == "-2"
                with raises(SwapRefused, match="consumers.py"):
                    swap({"consumers.py": code.replace("self.count = 0", "self.count = ")})
                await client.send_to(text_data="count")
                assert await client.receive_from() == "-3"
                swap()
                await client.send_to(text_data="count")
                assert await client.receive_from() == "4"
        """
    )


def test_a_test_for_django_channels_passes(passes):
    passes(
        """
        import pytest
        from channels.layers import get_channel_layer
        from channels.testing import WebsocketCommunicator
        from consumers import Chat

        @pytest.fixture
        async def client():
            client = WebsocketCommunicator(Chat.as_asgi(), "/chat/")
            connected, _ = await client.connect()
            assert connected
            yield client
            await client.disconnect()

        @pytest.mark.asyncio
        async def test_it(client):
            await client.send_to(text_data="later")
            with pytest.raises(TimeoutError):
                await client.receive_from()
            await get_channel_layer().group_send("chat", {"type": "chat.message", "text": "hi"})
            assert await client.receive_from(timeout=30) == "now"
            assert await client.receive_output() == {"type": "websocket.send", "text": "hi"}
        """
    )


def test_a_failure_has_its_place_and_its_values(test_plugin):
    done, results = test_plugin(
        HEADER
        + textwrap.dedent("""
            def test_fails():
                texts = ["a", "b"]
                assert len(texts) == 3

            async def test_waits():
                async with Communicator("/chat/") as client:
                    await client.receive_from()

            def test_passes():
                pass
        """)
    )
    assert done.returncode == 1
    assert [result["outcome"] for result in results.values()] == ["failed", "failed", "passed"]
    failure = results["test_fails"]
    assert (failure["file"], failure["line"]) == ("test_chat.py", 5)
    assert failure["source"] == "assert len(texts) == 3"
    assert failure["message"] == "assert 2 == 3\n  where 2 = len(['a', 'b'])"
    assert results["test_waits"]["message"] == "TimeoutError: expected a frame: nothing has arrived from /chat/"


# Assertions that fail, and their messages.
ASSERTIONS = {
    "y is not None and len(y) == 2": "assert None is not None and len(y) == 2",
    "y or y and y.get(x.z, 3)": "assert None or (None and y.get(x.z, 3))\n  where None = y\n  where None = y",
    "x > 1 > abs(y)": "assert 1 > 1 > abs(y)",
    "not (x == 1 or await y.sum(x))": "assert not (1 == 1 or await y.sum(x))",
}


def test_a_failure_has_the_source_of_parts_that_were_not_evaluated(test_plugin):
    tests = [f"async def test_{i}():\n    x, y = 1, None\n    assert {it}\n" for i, it in enumerate(ASSERTIONS)]
    _, results = test_plugin("\n".join(tests))
    assert [result["message"] for result in results.values()] == list(ASSERTIONS.values())


def test_a_syntax_error_in_a_test_is_at_its_place(test_plugin):
    done, _ = test_plugin("def test_it():\n    assert (\n")
    assert done.returncode != 0
    [error] = [event for line in done.stdout.splitlines() if (event := json.loads(line))["event"] == "error"]
    assert "test_chat.py:2" in error["message"] and "SyntaxError" in error["message"]


def test_a_test_that_waits_for_ever_fails(test_plugin):
    done, results = test_plugin("import asyncio\nasync def test_it():\n    await asyncio.Event().wait()\n")
    assert done.returncode == 1
    assert results["test_it"]["message"] == "the test waits for something that never comes"
    assert results["test_it"]["line"] == 3


def test_a_plugin_that_never_comes_to_rest_fails_its_test_alone(test_plugin):
    done, results = test_plugin(
        HEADER
        + textwrap.dedent("""
            async def test_forever():
                async with Communicator("/chat/") as client:
                    await client.send_to(text_data="forever")

            async def test_after():
                async with Communicator("/chat/") as client:
                    await client.send_to(text_data="count")
                    assert await client.receive_from() == "1"
        """)
    )
    assert done.returncode == 1
    assert "the plugin has not come to rest" in results["test_forever"]["message"]
    assert results["test_after"]["outcome"] == "passed"


def test_a_filter_selects_tests(test_plugin):
    done, results = test_plugin("def test_one(): pass\ndef test_two(): assert False\n", "--filter", "one")
    assert done.returncode == 0 and list(results) == ["test_one"]


def test_the_output_of_a_test_is_shown_below_its_failure(narrowboat, test_plugin, tmp_path):
    test_plugin("def test_it():\n    print('here I am')\n    assert 1 == 2\n")
    done = narrowboat("test", tmp_path / "chat")
    assert done.returncode == 1
    assert done.stdout.index("assert 1 == 2") < done.stdout.index("here I am")
