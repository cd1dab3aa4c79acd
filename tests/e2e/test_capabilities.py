"""Plugins cannot use a capability unless the manifest requests it and the operator grants it."""

import re
import time

import pytest

from admin import ADMIN, Admin
from redis_server import Redis
from support import Host, configuration, toml, with_manifest

# All commands of the guest `commander` that use a group.
TO_GROUPS = ["add {}", "discard {}", "group-send {} hello", "group-send-raw {} 81a474797065a161", "frame {} hello"]


@pytest.fixture
def asking(serve, component, tmp_path):
    """Serves a guest at /GUEST/ whose manifest requests these capabilities. By default all are granted."""

    def start(guest, asks, grants="all", isolation="connection", **settings):
        file = tmp_path / f"{guest}.wasm"
        file.write_bytes(manifested(component, guest, asks, isolation=isolation))
        return serve(plugins={guest: {"component": str(file), "grants": grants}}, **settings)

    return start


def manifested(component, guest, asks, **manifest):
    return with_manifest(component(guest).read_bytes(), toml({"name": guest, "capabilities": asks} | manifest))


@pytest.fixture
def started(narrowboat, component, tmp_path):
    """Runs a host that should exit at once."""

    def run(guest, asks, grants=None):
        file, config = tmp_path / "guest.wasm", tmp_path / "narrowboat.toml"
        file.write_bytes(manifested(component, guest, asks))
        plugins = {guest: {"component": str(file), "grants": grants}}
        config.write_text(toml(configuration(component, plugins=plugins)))
        return narrowboat("serve", "--config", config, "--listen", "127.0.0.1:0", timeout=30)

    return run


# Groups and channels.


@pytest.mark.parametrize("way", TO_GROUPS)
def test_a_group_outside_its_patterns_is_denied(asking, way):
    client = asking("commander", {"groups": ["lobby", "room.*", "x[12]?"]}).connect("/commander/")
    for group in ("lobby", "room.", "room.red", "x1a"):
        assert client.ask(way.format(group)) == "ok", group
    for group in ("lobby2", "room", "rooms", "Room.red", "x3a", "x1", "narrowboat.layer"):
        answer = client.ask(way.format(group))
        assert answer.startswith("error: denied: no pattern of groups"), group
        assert f'"{group}"' in answer


def test_a_channel_outside_its_patterns_is_denied(asking):
    client = asking("commander", {"channels": ["jobs", "mail.*"], "groups": ["*"]}).connect("/commander/")
    for channel in ("jobs", "mail.out"):
        assert client.ask(f"send {channel} hello") == "ok"
        assert client.ask(f"add everybody {channel}") == "ok"
        assert client.ask(f"discard everybody {channel}") == "ok"
    for channel in ("job", "mail", "audit"):
        # A member of a group gets the messages of the group.
        for way in (f"send {channel} hello", f"add everybody {channel}", f"discard everybody {channel}"):
            assert client.ask(way).startswith("error: denied: no pattern of channels"), way


@pytest.fixture(scope="module")
def redis():
    with Redis() as redis:
        yield redis


@pytest.mark.parametrize("backend", ["memory", "redis", "redis-pubsub"])
def test_a_plugin_without_capabilities_can_send_to_its_own_clients_and_reply_to_connections(asking, redis, backend):
    layer = {"backend": backend} | ({} if backend == "memory" else {"hosts": [redis.address]})
    host = asking("commander", {}, layer=layer)
    one, other = host.connect("/commander/"), host.connect("/commander/")
    channel = other.ask("channel")
    assert one.ask(f"send {channel} hello") == "ok"
    assert other.recv() == "message: hello"
    for way in TO_GROUPS:
        assert one.ask(way.format("room")).startswith("error: denied")
    assert one.ask("send jobs hello").startswith("error: denied")


def test_a_channel_name_cannot_address_the_topic_of_a_group(asking, redis):
    layer = {"backend": "redis-pubsub", "hosts": [redis.address]}
    client = asking("commander", {"channels": ["*"]}, layer=layer).connect("/commander/")
    assert client.ask("send jobs hello") == "ok"
    for name in ("asgi__group__room", "asgi__narrowboat__room"):
        assert client.ask(f"send {name} hello").startswith(f"error: denied: {name} is the topic of a group")


def test_a_client_who_asks_for_what_the_plugin_may_not_reach_is_403_and_the_log_told_once(asking):
    host = asking("relay", {"groups": ["other"]})
    for _ in range(3):
        turned_away = host.tcp()
        turned_away.request("/relay/")
        answer = turned_away.response()
        assert (answer.status, answer.body) == (403, b"denied\n")
    host.logged('access denied; .*reason=no pattern of groups that the manifest requests matches "x1"')
    assert host.log().count("access denied; further denials") == 1


def test_a_name_that_is_none_is_told_before_it_is_denied(asking):
    client = asking("commander", {}).connect("/commander/")
    assert client.ask("group-send no! hello").startswith("error: invalid name")
    assert client.ask("send no!no!no hello").startswith("error: invalid name")


# Grants.


def test_a_host_does_not_start_if_a_requested_capability_is_not_granted(started):
    asks = {"groups": ["room.*", "lobby"], "channels": ["jobs"], "log": True, "random": True}
    result = started("commander", asks, {"groups": ["lobby", "r*"], "log": True})
    assert result.returncode == 2
    assert "narrowboat.toml:" in result.stderr and "plugins.commander.grants" in result.stderr
    assert 'not granted: channels "jobs", random;' in result.stderr
    assert '`channels = ["jobs"]`, `random = true`' in result.stderr


def test_without_grants_nothing_is_granted(started):
    result = started("commander", {"groups": ["room.*"], "log": True})
    assert result.returncode == 2
    assert 'not granted: groups "room.*", log;' in result.stderr


def test_a_pattern_that_reaches_further_than_the_grant_is_not_granted(started):
    result = started("commander", {"groups": ["room*"]}, {"groups": ["room.*"]})
    assert result.returncode == 2
    assert '`groups = ["room.*", "room*"]`' in result.stderr


def test_a_granted_capability_must_also_be_requested(asking):
    grants = {"groups": ["*"], "channels": ["*"], "log": True, "clocks": True, "random": True}
    client = asking("commander", {"groups": ["room.red"]}, grants).connect("/commander/")
    assert client.ask("group-send room.red hello") == "ok"
    assert client.ask("group-send room.blue hello").startswith("error: denied")
    assert client.ask("send jobs hello").startswith("error: denied")


def test_a_file_and_an_upload_that_ask_for_what_is_not_granted_are_refused(travel):
    served = travel(admin=ADMIN, table={"grants": {"groups": ["*"], "log": True}})
    client = served.connect()
    asks = {"groups": ["*"], "clocks": True}
    assert "not granted: clocks; write `clocks = true` in [plugins.traveller.grants]" in served.refuse("v2", capabilities=asks)
    answer = Admin(served.host).deploy("traveller", served.version("v3", capabilities=asks))
    assert answer.status == 422 and answer.json()["kind"] == "refused"
    assert "not granted: clocks" in answer.json()["error"]
    assert client.ask("hello").startswith("v1 ")


def test_a_rollback_to_what_is_no_longer_granted_is_refused(narrowboat, component, tmp_path):
    file, config = tmp_path / "traveller.wasm", tmp_path / "narrowboat.toml"

    def configured(grants):
        plugins = {"traveller": {"component": str(file), "grants": grants}}
        config.write_text(toml(configuration(component, plugins=plugins, admin=ADMIN)))
        return Host(narrowboat.binary, tmp_path, config)

    built = component("traveller").read_bytes()
    file.write_bytes(built)
    with configured("all") as host:
        assert Admin(host).deploy("traveller", with_manifest(built, 'name = "traveller"')).status == 200
        assert host.stop() == 0
    with configured(None) as host:
        answer = Admin(host).post("/v1/plugins/traveller/rollback")
        assert answer.status == 422 and 'not granted: groups "*", log' in answer.json()["error"]
        assert host.connect("/traveller/").ask("hello") == "v1 1 hello"


# The log.


def test_lines_of_one_that_may_not_log_are_dropped_and_counted(asking):
    host = asking("misbehave", {}, admin=ADMIN)
    client = host.connect("/misbehave/")
    assert [client.ask(f"log secret {number}") for number in range(5)] == ["logged"] * 5
    host.logged("log lines dropped .*the manifest does not request `log = true` under")
    assert client.ask("ok") == "ok"
    assert "secret" not in host.log() and host.log().count("does not request") == 1
    figures = Admin(host).ask("/metrics").body.decode()
    assert re.search(r'narrowboat_guest_log_lines_dropped_total\{tenant="default",plugin="misbehave",version="\w+"\} 5\n', figures)


@pytest.mark.parametrize("isolation", ["connection", "shared"])
def test_the_words_and_the_place_of_a_panic_are_in_the_log_of_one_that_may_not_log(asking, isolation):
    host = asking("misbehave", {}, isolation=isolation)
    client = host.connect("/misbehave/")
    assert client.ask("log secret") == "logged"
    client.send("trap")
    assert client.ended()[0] == 1011
    assert "ERROR" in host.logged(r".*asked to trap \(.*misbehaviors\.rs:\d+:\d+\).*")[0]
    assert host.logged(r"the consumer failed: trap: panic: asked to trap \(")
    assert "secret" not in host.log()


def test_panics_that_come_faster_than_two_a_second_are_told_in_part(asking):
    host = asking("misbehave", {})
    for _ in range(60):
        client = host.connect("/misbehave/")
        client.send("trap")
        assert client.ended()[0] == 1011
    host.logged("panics dropped from the log: the plugin panics too often")
    said = [line for line in host.log().splitlines() if "asked to trap" in line and "ERROR" in line]
    assert 10 <= len(said) < 60


def test_the_message_of_a_panic_is_one_bounded_line_without_control_characters(asking):
    host = asking("misbehave", {})
    client = host.connect("/misbehave/")
    client.send("panic first\n2026-01-01T00:00:00Z ERROR forged\r\x1b[2Jcleared" + "x" * 50_000)
    assert client.ended()[0] == 1011
    line = host.logged(".*ERROR.*first.*")[0]
    assert "forged" in line and "cleared" in line and len(line) < 5_000
    host.logged("the consumer failed: trap")
    assert "\x1b[2J" not in host.log() and "\r" not in host.log()
    assert max(map(len, host.log().splitlines())) < 5_000


# Clocks and random numbers.


@pytest.fixture(scope="module")
def oracle(serving):
    with serving("oracle") as host:
        yield host


def test_the_clocks_tell_the_time(oracle):
    client = oracle.connect("/oracle/")
    before, now, after = time.time_ns(), int(client.ask("now")), time.time_ns()
    assert before <= now <= after
    first = int(client.ask("monotonic"))
    time.sleep(0.05)
    passed = int(client.ask("monotonic")) - first
    assert 50e6 <= passed < 5e9
    assert client.ask("resolutions") == "1 0 1"


def test_random_numbers_are_never_the_same(oracle):
    client = oracle.connect("/oracle/")
    for word in ("bytes 32", "insecure 32", "fill 32", "numbers"):
        assert len({client.ask(word) for _ in range(20)}) == 20, word
    # The seed for a generator of the guest differs in each instance.
    assert len({oracle.connect("/oracle/").ask("seed") for _ in range(5)}) == 5
    assert client.ask("bytes 0") == "" and len(client.ask("bytes 65536")) == 2 * 65536
    filled = client.ask("fill 100000")
    assert len(filled) == 200000 and "00" * 16 not in filled


@pytest.mark.parametrize("word", ["bytes", "insecure"])
@pytest.mark.parametrize("count", [65537, 2**32, 2**64 - 1])
def test_too_many_random_bytes_at_once_are_a_trap(oracle, word, count):
    client = oracle.connect("/oracle/")
    client.send(f"{word} {count}")
    assert client.ended()[0] == 1011
    oracle.logged(f"requested len {count} exceeds limit 65536")


def test_clocks_and_random_numbers_of_a_later_wasi_fit(serve, component, tmp_path):
    file = tmp_path / "later.wasm"
    file.write_bytes(component("oracle").read_bytes().replace(b"@0.2.0", b"@0.2.9"))
    client = serve(plugins={"oracle": {"component": str(file)}}).connect("/oracle/")
    assert int(client.ask("now")) > 0 and len(client.ask("seed").split()) == 2


def test_inspecting_tells_what_a_component_asks_for(narrowboat, component):
    told = narrowboat("plugin", "inspect", component("clerk")).stdout
    assert re.search(r'(?m)^capabilities groups "ticks"\n             channels "\*"\n             log$', told)
    assert re.search(r"(?m)^capabilities none$", narrowboat("plugin", "inspect", component("echo")).stdout)
