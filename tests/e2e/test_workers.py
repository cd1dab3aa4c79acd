"""Workers: plugins that handle the messages of named channels."""

import re
import time
from contextlib import ExitStack, contextmanager

import pytest

from redis_server import Redis, peer
from support import eventually, short, toml

VERSION = b"narrowboat clerk version:"


@pytest.fixture(scope="module")
def redis():
    with Redis() as redis:
        yield redis


@pytest.fixture(params=["memory", "redis"])
def layer(request):
    """Each backend that workers can use, empty."""
    if request.param == "memory":
        return {}
    request.getfixturevalue("redis").ask("FLUSHALL")
    return {"backend": "redis", "hosts": [request.getfixturevalue("redis").address]}


@pytest.fixture
def on_redis(redis):
    redis.ask("FLUSHALL")
    return {"backend": "redis", "hosts": [redis.address]}


class Desk:
    """A host whose guest `clerk` is the worker of the channel `desk`. Tests rewrite its component file."""

    def __init__(self, built, file):
        self._built, self._file, self.host = built, file, None
        self._sender = None

    def put(self, version):
        component = self._built.replace(VERSION + b"v1", VERSION + version.encode())
        beside = self._file.with_suffix(".new")
        beside.write_bytes(component)
        beside.rename(self._file)
        return component

    def swap(self, version):
        since = len(self.host.log())
        component = self.put(version)
        self.host.logged(f'version is live .*version="{short(component)}"', since)

    def client(self):
        """A client that receives replies, and the channel of its consumer."""
        client = self.host.connect("/commander/")
        return client, client.ask("channel")

    def order(self, channel, words):
        """Sends the clerk a command whose reply goes to a channel."""
        self._sender = self._sender or self.host.connect("/commander/")
        assert self._sender.ask(f"send desk {channel} {words}") == "ok"


@pytest.fixture
def desk(serving, component, tmp_path_factory):
    """Starts such a host, until the end of the test."""

    @contextmanager
    def start(layer, binding=None, table=None, **settings):
        file = tmp_path_factory.mktemp("desk") / "clerk.wasm"
        desk = Desk(component("clerk").read_bytes(), file)
        desk.put("v1")
        plugins = {"clerk": {"component": str(file)} | (table or {})}
        workers = [{"channel": "desk", "plugin": "clerk"} | (binding or {})]
        options = {"plugins": plugins, "workers": workers, "layer": layer} | settings
        with serving("commander", **options) as host:
            desk.host = host
            yield desk

    with ExitStack() as stack:
        yield lambda *layer, **settings: stack.enter_context(start(*layer, **settings))


def test_a_message_reaches_the_worker_and_the_answer_its_sender(desk, layer):
    desk = desk(layer)
    client, channel = desk.client()
    desk.order(channel, "echo one")
    assert client.recv() == "message: v1 1 one"
    desk.order(channel, "echo two")
    assert client.recv() == "message: v1 2 two"


def test_a_plugin_may_be_consumer_and_worker(serving, layer):
    workers = [{"channel": "office", "plugin": "office"}]
    routes = [{"path": "/office/", "plugin": "office"}]
    with serving("office", workers=workers, routes=routes, layer=layer) as host:
        client = host.connect("/office/")
        assert [client.ask(str(number)) for number in range(3)] == ["0", "2", "4"]


def test_a_worker_handles_messages_from_before_the_start(desk, on_redis, redis):
    with peer([redis]) as django:
        text = "reply echo early"
        django.send("desk", {"type": "commander.text", "text": text})
        desk(on_redis)
        assert django.receive("reply")["text"] == "v1 1 early"


def test_django_asks_and_is_answered(desk, on_redis, redis):
    desk(on_redis)
    with peer([redis]) as django:
        for number in range(20):
            django.send("desk", {"type": "commander.text", "text": f"reply echo {number}"})
        answers = [django.receive("reply")["text"] for _ in range(20)]
    assert answers == [f"v1 {number + 1} {number}" for number in range(20)]


def test_a_shell_asks(desk, on_redis, redis, narrowboat, tmp_path):
    desk(on_redis)
    file = tmp_path / "narrowboat.toml"
    file.write_text(toml({"layer": on_redis}))
    with peer([redis]) as django:
        sent = narrowboat(
            "send", "--config", file, "--channel", "desk", "--type", "commander.text",
            "--json", '{"text": "reply echo shell"}',
        )  # fmt: skip
        assert sent.returncode == 0, sent.stderr
        assert django.receive("reply")["text"] == "v1 1 shell"


def test_a_message_of_an_unknown_type_is_ignored(desk, on_redis, redis):
    desk(on_redis)
    with peer([redis]) as django:
        django.send("desk", {"type": "who.knows"})
        # Channels treats this type like the next one.
        django.send("desk", {"type": "commander_text", "text": "reply echo near"})
        django.send("desk", {"type": "commander.text", "text": "reply echo next"})
        assert [django.receive("reply")["text"] for _ in range(2)] == ["v1 1 near", "v1 2 next"]


def test_a_worker_may_be_in_a_group(desk, layer):
    desk = desk(layer)
    client, channel = desk.client()
    assert client.ask("add all desk") == "ok"
    assert client.ask("frame all nothing for a worker") == "ok"
    assert client.ask(f"group-send all {channel} echo group") == "ok"
    assert client.recv() == "message: v1 1 group"


# Instances and hosts.


def test_one_instance_takes_one_message_at_a_time(desk, layer):
    desk = desk(layer)
    client, channel = desk.client()
    desk.order(channel, "work 500")
    desk.order(channel, "echo after")
    assert client.take(2) == ["message: v1 worked 500", "message: v1 2 after"]


def test_several_instances_work_at_a_time(desk, layer):
    desk = desk(layer, {"instances": 2})
    client, channel = desk.client()
    desk.order(channel, "work 5000")
    desk.order(channel, "echo meanwhile")
    assert client.take(2) == ["message: v1 1 meanwhile", "message: v1 worked 5000"]


def test_each_message_is_handled_once_across_hosts(desk, on_redis, redis):
    for _ in range(3):
        desk(on_redis | {"capacity": 1000}, {"instances": 2})
    count = 200
    with peer([redis], capacity=1000) as django:
        for number in range(count):
            django.send("desk", {"type": "commander.text", "text": f"reply echo {number}"})
        answers = [django.receive("reply")["text"] for _ in range(count)]
        assert django.receives_nothing("reply")
    assert sorted(int(answer.split()[2]) for answer in answers) == list(range(count))


def test_a_busy_host_leaves_messages_to_another(desk, on_redis, redis):
    desk(on_redis)
    with peer([redis]) as django:
        django.send("desk", {"type": "commander.text", "text": "done work 20000"})
        eventually(lambda: redis.ask("ZCARD", "asgidesk") == b":0\r\n", "the first message taken")
        for number in range(10):
            django.send("desk", {"type": "commander.text", "text": f"reply echo {number}"})
        # The busy host has fetched at most one more message.
        desk(on_redis)
        assert len([django.receive("reply") for _ in range(9)]) == 9


# A failure loses one message.


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("trap now", "trap: panic: told to trap: now ("),
        ("fail for a reason", "returned an error: for a reason"),
        ("loop", "ran longer than its worker_time of 200 ms"),
    ],
)
def test_a_failure_costs_its_message_alone(desk, layer, command, why):
    desk = desk(layer, table={"limits": {"worker_time": "200ms"}})
    client, channel = desk.client()
    desk.order(channel, command)
    desk.order(channel, "echo after")
    answers = ["message: v1 fails"] if command.startswith("fail") else []
    count = 2 if command.startswith("fail") else 1
    assert client.take(len(answers) + 1) == [*answers, f"message: v1 {count} after"]
    lost = desk.host.logged(
        r'the worker failed to handle a message plugin="clerk" channel="desk" '
        r'.*message_type="commander.text" fault=(.*)'
    )
    assert lost[1].startswith(why), lost[1]


def test_a_message_without_its_fields_is_lost_and_told(desk, on_redis, redis):
    desk = desk(on_redis)
    with peer([redis]) as django:
        django.send("desk", {"type": "commander.text"})
        desk.host.logged('returned an error: message "commander.text" lacks the field "text"')
        django.send("desk", {"type": "commander.text", "text": "reply echo next"})
        assert django.receive("reply")["text"] == "v1 1 next"


def test_a_flood_of_failures_does_not_fill_the_log(desk, layer):
    desk = desk(layer)
    client, channel = desk.client()
    began = time.monotonic()
    for number in range(50):
        desk.order(channel, f"fail {number}")
    client.take(50)
    desk.order(channel, "echo after")
    client.recv()
    lines = re.findall("the worker failed to handle", desk.host.log())
    most = (time.monotonic() - began) / 0.1 + 2
    assert 1 <= len(lines) <= most


def test_a_long_work_holds_up_no_socket(desk, layer):
    desk = desk(layer, {"instances": 4})
    client, channel = desk.client()
    for _ in range(4):
        desk.order(channel, "work 5000")
    other, _ = desk.client()
    assert other.ask("channel") and other.is_served()
    assert client.take(4) == ["message: v1 worked 5000"] * 4


# Swaps.


def test_a_new_version_goes_on_with_the_next_message(desk, layer):
    desk = desk(layer)
    client, channel = desk.client()
    desk.order(channel, "echo old")
    assert client.recv() == "message: v1 1 old"
    desk.swap("v2")
    desk.order(channel, "echo new")
    assert client.recv() == "message: v2 1 new"


def test_a_running_message_ends_in_the_version_it_began_in(desk, layer):
    desk = desk(layer)
    client, channel = desk.client()
    desk.order(channel, "work 10000")
    desk.swap("v2")
    desk.order(channel, "echo new")
    assert client.take(2) == ["message: v1 worked 10000", "message: v2 1 new"]


def test_numbered_messages_survive_swaps(desk, layer):
    desk = desk(layer)
    client, channel = desk.client()
    for version in ("v2", "v3", "v4"):
        for number in range(30):
            desk.order(channel, f"echo {number}")
        desk.swap(version)
        answers = client.take(30)
        assert [int(answer.split()[3]) for answer in answers] == list(range(30))


def test_a_version_that_fails_too_often_is_taken_back(desk, layer):
    rollback = {"window": "30s", "faults_per_thousand": 5, "min_events": 10}
    desk = desk(layer, table={"rollback": rollback})
    client, channel = desk.client()
    for _ in range(3):
        desk.order(channel, "echo well")
    client.take(3)
    desk.swap("v2")
    for _ in range(12):
        desk.order(channel, "fail")
    desk.host.logged("version rolled back")
    client.take(12)
    desk.order(channel, "echo again")
    assert client.recv().startswith("message: v1 ")


def test_a_version_that_is_no_worker_is_refused(desk, layer, component):
    desk = desk(layer)
    since = len(desk.host.log())
    desk._file.write_bytes(component("echo").read_bytes())
    refused = desk.host.logged("deploy refused .*?error=(.*)", since)[1]
    assert "workers.plugin" in refused and "is not a worker" in refused
    client, channel = desk.client()
    desk.order(channel, "echo still")
    assert client.recv() == "message: v1 1 still"


def test_a_route_to_a_worker_is_refused(narrowboat, component, tmp_path):
    file = tmp_path / "narrowboat.toml"
    plugins = {"clerk": {"component": str(component("clerk")), "grants": "all"}}
    file.write_text(toml({"plugins": plugins, "routes": [{"path": "/", "plugin": "clerk"}]}))
    result = narrowboat("serve", "--config", file)
    assert result.returncode == 2
    assert "routes" in result.stderr and "is not a consumer of connections" in result.stderr


# Ticks.


def test_a_worker_is_brought_a_tick_once_a_period(desk, layer):
    client, _ = desk(layer, {"every": "100ms"}).client()
    assert client.ask("add ticks") == "ok"
    assert client.take(5) == ["message: tick of desk"] * 5


def test_hosts_share_the_ticks(desk, on_redis):
    hosts = [desk(on_redis, {"every": "200ms"}) for _ in range(3)]
    client, _ = hosts[0].client()
    assert client.ask("add ticks") == "ok"
    client.recv()
    began = time.monotonic()
    client.take(20)
    # Three hosts without coordination would take a third of that.
    assert time.monotonic() - began > 20 * 0.2 * 0.6


def test_another_host_ticks_when_one_is_gone(desk, on_redis):
    first, second = (desk(on_redis, {"every": "200ms"}) for _ in range(2))
    client, _ = second.client()
    assert client.ask("add ticks") == "ok"
    client.take(3)
    assert first.host.stop() == 0
    client.take(3)


# Stopping.


def test_a_stopping_host_finishes_what_it_works_at(desk, on_redis, redis):
    desk = desk(on_redis)
    with peer([redis]) as django:
        django.send("desk", {"type": "commander.text", "text": "reply work 10000"})
        eventually(lambda: redis.ask("ZCARD", "asgidesk") == b":0\r\n", "the message taken")
        for number in range(5):
            django.send("desk", {"type": "commander.text", "text": f"reply echo {number}"})
        assert desk.host.stop() == 0
        assert django.receive("reply")["text"] == "v1 worked 10000"
        # Other hosts can take the messages that it had not started.
        assert redis.ask("ZCARD", "asgidesk") == b":5\r\n"


def test_redis_may_go_away_for_a_while(desk, serving):
    with Redis() as own:
        desk = desk({"backend": "redis", "hosts": [own.address]})
        client, channel = desk.client()
        own.kill()
        desk.host.logged("channel layer lost")
        own.start()
        eventually(lambda: answers(desk, client, channel), "an answer")


def answers(desk, client, channel):
    desk.order(channel, "echo back")
    try:
        return client.recv(0.5).endswith("back")
    except TimeoutError:
        return False
