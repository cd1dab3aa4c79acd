"""Messages from senders with other clocks, keys or formats, and the metrics and log lines about them."""

import re
import time

import channels_redis.core
import pytest

from redis_server import Redis, peer
from support import eventually
from test_redis import KEYS, layer, member, send, text
from test_status import ADMIN, figures

NOT_TAKEN = r"WARN .*has a value that is not a message \({}\)"


@pytest.fixture(scope="module")
def redis():
    with Redis() as redis:
        yield redis


@pytest.fixture
def clock(monkeypatch):
    """Shifts the clock of channels_redis in this process."""

    class Moved:
        ahead = 0.0

        def __getattr__(self, name):
            return getattr(time, name)

        def time(self):
            return time.time() + self.ahead

    moved = Moved()
    monkeypatch.setattr(channels_redis.core, "time", moved)
    return moved


def pops(redis):
    """How often readers have started to wait for a message."""
    calls = re.search(rb"cmdstat_bzpopmin:calls=(\d+)", redis.ask("INFO", "commandstats"))
    return int(calls[1])


def test_a_django_process_is_heard_whatever_its_clock_says(redis, serving, clock):
    with serving("commander", layer=layer([redis], expiry="5s"), admin=ADMIN) as host:
        with peer([redis], expiry=5) as django:
            client = member(host, [redis], "g")
            channel = django.new_channel()
            for ahead in (0, -4, -6, -61, -7200, 61, 7200):
                if ahead == -6:
                    # Longer than a blocking read in Redis lasts.
                    before = pops(redis)
                    eventually(lambda: pops(redis) >= before + 2, "an idle reader")
                clock.ahead = ahead
                django.group_send("g", text(f"{ahead} s"))
                assert client.recv() == f"message: {ahead} s"
                # In the other direction, a receiver of Channels ignores the time too.
                client.ask(f"send {channel} {ahead}")
                assert django.receive(channel) == text(str(ahead))
            expired = 'narrowboat_layer_messages_expired_total{tenant="default",layer="default"}'
            assert figures(host)[expired] == "0"


def test_members_stay_where_a_clock_differs_by_less_than_group_expiry(redis, serving, clock):
    with serving("commander", layer=layer([redis])) as host:
        with peer([redis]) as django:
            client, channel = member(host, [redis], "h"), django.new_channel()
            for ahead in (7200, -7200):
                clock.ahead = ahead
                django.group_add("h", channel)
                assert client.ask(f"group-send h {ahead}") in ("ok", f"message: {ahead}")
                assert django.receive(channel) == text(str(ahead))
                django.group_send("h", text("from Django"))
                while client.recv() != "message: from Django":
                    pass
                assert django.receive(channel) == text("from Django")


def counted(host, cause):
    figure = f'narrowboat_layer_messages_malformed_total{{tenant="default",layer="default",cause="{cause}"}}'
    return int(figures(host)[figure])


def deep(levels):
    value = None
    for _ in range(levels):
        value = [value]
    return value


JSON = {"serializer_format": "json"}


@pytest.mark.parametrize(
    ("cause", "ours", "theirs", "extra"),
    [
        ("integer", {"serializer": "json"}, JSON, {"n": 1 << 64}),
        ("text", {"serializer": "json"}, JSON, {"t": "\ud800"}),
        ("depth", {"serializer": "json"}, JSON, {"d": deep(64)}),
        ("depth", {}, {}, {"d": deep(64)}),
        ("encryption", KEYS, {"symmetric_encryption_keys": ["another"]}, {}),
        ("encryption", KEYS, {}, {}),
        ("encryption", {}, KEYS, {}),
    ],
)
def test_undecodable_messages_are_counted_and_logged_once_for_each_cause(
    redis, serving, cause, ours, theirs, extra
):
    with serving("commander", layer=layer([redis], **ours), admin=ADMIN) as host:
        client = host.connect("/commander/")
        channel = client.ask("channel")
        with peer([redis], **theirs) as django:
            for _ in range(5):
                django.send(channel, text("in vain") | extra)
            eventually(lambda: counted(host, cause) == 5, f"five of {cause}")
            warned = host.logged(NOT_TAKEN.format(cause))
            assert warned
            assert host.log().count("has a value that is not a message") == 1
        if ours != KEYS:
            with peer([redis], **({} if theirs is KEYS else theirs)) as django:
                django.send(channel, text("heard"))
                assert client.recv() == "message: heard"


def test_extension_types_are_counted_and_warned_of(redis, serving):
    with serving("commander", layer=layer([redis]), admin=ADMIN) as host:
        channel = host.connect("/commander/").ask("channel")
        key = "asgi" + channel[: channel.index("!") + 1]
        body = b"\0" * 12 + b"\x82\xa4type\xa1a\xa1x\xd4\x01\x00"
        redis.ask("ZADD", key, 9e9, body)
        eventually(lambda: counted(host, "extension") == 1, "one extension type")
        host.logged(NOT_TAKEN.format("extension"))


def test_a_shell_is_told_how_many_receivers_there_were(narrowboat, redis, serving, tmp_path):
    settings = tmp_path / "narrowboat.toml"
    settings.write_text(f'[layer]\nbackend = "redis"\nhosts = ["{redis.address}"]\n')
    done = send(narrowboat, settings, "--group", "nobody")
    assert (done.returncode, done.stdout) == (0, "sent to group nobody: 0 receivers\n"), done.stderr
    done = send(narrowboat, settings, "--channel", "worker")
    assert (done.returncode, done.stdout) == (0, "sent to channel worker\n"), done.stderr
    with serving("commander", layer=layer([redis])) as host:
        members = [member(host, [redis], "some") for _ in range(2)]
        done = send(narrowboat, settings, "--group", "some", "--json", '{"text": "hello"}')
        assert (done.returncode, done.stdout) == (0, "sent to group some: 2 receivers\n"), done.stderr
        assert [client.recv() for client in members] == ["message: hello"] * 2
