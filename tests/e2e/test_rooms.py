"""Rooms: an instance for each room, whose state is saved while nobody is in the room."""

import json
import re
import signal
import time

import pytest

from admin import ADMIN, Admin
from support import UPGRADE, eventually, with_manifest, toml

ROUTES = [{"path": "/rooms/{room}/", "plugin": "rooms"}]
MANIFEST = {"name": "rooms", "isolation": "room", "room": "{room}", "room_idle": "200ms", "capabilities": {"log": True}}


@pytest.fixture
def rooms(serve, component, tmp_path):
    """Serves the guest `rooms` at /rooms/ROOM/, with a store in a file. Each call is a host with the same store. The
    arguments are further keys of the manifest."""
    file = tmp_path / "rooms.wasm"

    def write(**manifest):
        beside = file.with_suffix(".new")
        beside.write_bytes(with_manifest(component("rooms").read_bytes(), toml(MANIFEST | manifest)))
        beside.rename(file)

    def start(table=None, routes=ROUTES, **manifest):
        write(**manifest)
        plugins = {"rooms": {"component": str(file)} | (table or {})}
        top = {"keyvalue": {"path": str(tmp_path / "keyvalue")}}
        host = serve(plugins=plugins, routes=routes, admin=ADMIN, top=top, log="debug")
        host.write = write
        host.visit = lambda room: host.connect(f"/rooms/{room}/")
        return host

    return start


def asleep(host, room, since=0):
    """Waits until a room sleeps."""
    return host.logged(rf'a room sleeps .*room="{room}"', since)


def saved(host):
    """Waits until the state after all events so far is saved. The interval of saves is at most 200 ms."""
    host.logged("a room is saved")
    host.silence(0.5)


def rejected(host, path):
    raw = host.tcp()
    raw.request(path, headers=UPGRADE)
    return raw.response()


def test_visitors_of_a_room_share_its_state_and_rooms_do_not(rooms):
    host = rooms()
    red, other, blue = host.visit("red"), host.visit("red"), host.visit("blue")
    assert [red.ask("add"), other.ask("add"), red.ask("get")] == ["1", "2", "2"]
    assert blue.ask("add") == "1"


def test_a_room_that_slept_has_its_state(rooms):
    host = rooms()
    visitor = host.visit("red")
    assert visitor.ask("add") == "1"
    visitor.close()
    asleep(host, "red")
    assert host.visit("red").ask("add") == "2"


def test_a_room_stays_awake_while_it_has_a_visitor(rooms):
    host = rooms(room_idle="50ms")
    first, second = host.visit("red"), host.visit("red")
    first.close()
    assert "a room sleeps" not in host.silence(0.3)
    assert second.ask("add") == "1"


def test_a_visitor_who_comes_within_the_time_keeps_the_room_awake(rooms):
    host = rooms(room_idle="30s")
    visitor = host.visit("red")
    assert visitor.ask("add") == "1"
    visitor.close()
    assert host.visit("red").ask("get") == "1"
    assert "a room sleeps" not in host.log()


def test_rooms_are_saved_when_the_host_stops(rooms):
    host = rooms(room_idle="1h")
    visitor = host.visit("red")
    assert [visitor.ask("add") for _ in range(3)] == ["1", "2", "3"]
    left = host.visit("blue")
    assert left.ask("add") == "1"
    left.close()
    assert host.stop() == 0
    host = rooms()
    assert (host.visit("red").ask("get"), host.visit("blue").ask("get")) == ("3", "1")


def test_a_host_that_is_killed_loses_what_came_after_the_last_save(rooms):
    host = rooms(room_idle="1h", room_save="200ms")
    visitor = host.visit("red")
    assert [visitor.ask("add") for _ in range(3)] == ["1", "2", "3"]
    saved(host)
    host.stop(signal.SIGKILL)
    assert rooms().visit("red").ask("get") == "3"


def test_a_room_that_is_only_saved_when_idle_loses_all_when_the_host_is_killed(rooms):
    host = rooms(room_idle="1h")
    assert host.visit("red").ask("add") == "1"
    host.stop(signal.SIGKILL)
    assert rooms().visit("red").ask("get") == "0"


def test_a_room_without_events_is_not_saved_again(rooms):
    host = rooms(room_idle="1h", room_save="100ms")
    visitor = host.visit("red")
    assert visitor.ask("add") == "1"
    saved(host)
    count = host.log().count("a room is saved")
    assert host.silence(0.5).count("a room is saved") == count


def test_a_room_goes_on_while_it_is_saved(rooms):
    host = rooms(room_idle="1h", room_save="100ms")
    visitor = host.visit("red")
    end, count = time.monotonic() + 1, 0
    while time.monotonic() < end:
        count += 1
        assert visitor.ask("add") == str(count)
    assert host.log().count("a room is saved") >= 2


def test_a_room_that_cannot_be_saved_stays_awake(rooms):
    host = rooms()
    visitor = host.visit("red")
    assert visitor.ask("add") == "1"
    assert visitor.ask("fail to save") == "1"
    visitor.close()
    host.logged("cannot save a room .*asked to fail")
    visitor = host.visit("red")
    assert visitor.ask("save") == "1"
    visitor.close()
    asleep(host, "red")
    assert host.visit("red").ask("get") == "1"


def test_a_room_whose_instance_traps_goes_back_to_its_last_save(rooms):
    host = rooms()
    visitor = host.visit("red")
    assert visitor.ask("add") == "1"
    visitor.close()
    asleep(host, "red")
    first, second, blue = host.visit("red"), host.visit("red"), host.visit("blue")
    assert [first.ask("add"), blue.ask("add")] == ["2", "1"]
    first.send("trap")
    assert (first.ended()[0], second.ended()[0]) == (1011, 1011)
    assert blue.ask("get") == "1"
    assert host.visit("red").ask("get") == "1"


def test_a_room_that_sleeps_moves_to_the_live_version_when_it_wakes(rooms):
    host = rooms()
    visitor = host.visit("red")
    assert visitor.ask("add") == "1"
    visitor.close()
    asleep(host, "red")
    host.write(description="a newer version")
    host.logged("version is live")
    assert host.visit("red").ask("add") == "2"


def test_rooms_that_are_awake_move_with_their_visitors(rooms):
    host = rooms()
    red, blue = host.visit("red"), host.visit("blue")
    assert [red.ask("add"), red.ask("add"), blue.ask("add")] == ["1", "2", "1"]
    host.write(description="a newer version")
    host.logged("version is live .*moved=2")
    assert [red.ask("add"), blue.ask("add")] == ["3", "2"]


def test_a_room_name_has_the_parameters_of_the_template(rooms):
    routes = [{"path": "/{team}/{room}/", "plugin": "rooms"}]
    host = rooms(room="{team}/{room}", routes=routes)
    acme, other = host.connect("/acme/red/"), host.connect("/other/red/")
    assert (acme.ask("add"), acme.ask("add"), other.ask("add")) == ("1", "2", "1")


def test_a_route_without_the_parameter_is_refused(rooms, narrowboat, component, tmp_path):
    with pytest.raises(AssertionError) as error:
        rooms(routes=[{"path": "/lobby/", "plugin": "rooms"}])
    assert "/lobby/" in str(error.value) and "{room}" in str(error.value)


def test_a_long_name_is_refused(rooms):
    answer = rejected(rooms(), f"/rooms/{'r' * 513}/")
    assert answer.status == 414


@pytest.mark.parametrize("table", [{"isolation": "shared"}, {"isolation": "connection"}, {"instances": 2}])
def test_the_operator_cannot_take_the_rooms_away(rooms, table):
    with pytest.raises(AssertionError) as error:
        rooms(table=table)
    assert "room" in str(error.value)


def test_a_version_with_other_names_of_rooms_is_refused(rooms):
    routes = [{"path": "/rooms/{team}/{room}/", "plugin": "rooms"}]
    host = rooms(routes=routes)
    host.write(room="{team}/{room}")
    refused = host.logged("deploy refused .*?error=(.*)")[1]
    assert "{team}/{room}" in refused and "restart the host" in refused


def test_a_room_loses_no_event_that_it_has_answered(rooms):
    host = rooms(room_idle="1h", room_save="event")
    first, second = host.visit("red"), host.visit("red")
    assert [client.ask("add") for client in [first, second, first]] == ["1", "2", "3"]
    host.stop(signal.SIGKILL)
    assert rooms().visit("red").ask("get") == "3"


def test_visitors_of_a_host_that_was_killed_are_disconnected_when_their_room_wakes(rooms):
    host = rooms(room_idle="1h", room_save="event")
    first, second = host.visit("red"), host.visit("red")
    assert first.ask("visitors") == second.ask("visitors") == "2"
    host.stop(signal.SIGKILL)
    assert rooms().visit("red").ask("visitors") == "1"


def test_a_disconnect_that_traps_does_not_keep_the_room_closed(rooms):
    host = rooms(room_idle="1h", room_save="event")
    assert host.visit("red").ask("add") == "1"
    assert host.visit("red").ask("be fatal") == "1"
    host.stop(signal.SIGKILL)
    host = rooms()
    assert host.visit("red").ask("get") == "1"
    host.logged("a room wakes without a `disconnect` of its earlier visitors")


def test_frames_in_a_row_are_saved_before_they_are_answered(rooms):
    host = rooms(room_idle="1h", room_save="event")
    visitor = host.visit("red")
    for _ in range(100):
        visitor.send("add")
    answered = int(visitor.take(60)[-1])
    host.stop(signal.SIGKILL)
    assert answered <= int(rooms().visit("red").ask("get")) <= 100


def test_an_event_that_traps_leaves_the_state_before_it(rooms):
    host = rooms(room_idle="1h", room_save="event")
    visitor = host.visit("red")
    assert visitor.ask("add") == "1"
    visitor.send("trap")
    assert visitor.ended()[0] == 1011
    assert host.visit("red").ask("get") == "1"


def test_a_room_whose_state_cannot_be_saved_after_an_event_is_restarted(rooms):
    host = rooms(room_idle="1h", room_save="event")
    first, second = host.visit("red"), host.visit("red")
    assert first.ask("add") == "1"
    first.send("fail to save")
    assert first.rest() == second.rest() == ([], (1012, "room restarted"))
    host.logged("cannot save a room .*asked to fail")
    assert host.visit("red").ask("get") == "1"


def test_a_rejected_handshake_leaves_no_room(rooms, narrowboat):
    host = rooms(room_save="event", room_idle="1h")
    for name in "abc":
        assert rejected(host, f"/rooms/{name}/?reject").status == 403
    listed = lambda *words: narrowboat("rooms", "rooms", *words, *Admin(host).arguments).stdout.splitlines()[1:]
    eventually(lambda: listed() == [])
    assert listed("--sleeping") == []


# Operators.


@pytest.fixture
def operated(rooms, narrowboat):
    """A host with rooms. `run` is `narrowboat rooms rooms` against it."""

    def start(**manifest):
        host = rooms(**manifest)
        arguments = Admin(host).arguments
        host.run = lambda *words: narrowboat("rooms", "rooms", *words, *arguments)
        host.list = lambda *words: json.loads(host.run("--json", *words).stdout)
        return host

    return start


def test_an_operator_sees_the_rooms(operated):
    host = operated()
    first, second, gone = host.visit("red"), host.visit("red"), host.visit("blue")
    assert [first.ask("add"), gone.ask("add")] == ["1", "1"]
    gone.close()
    asleep(host, "blue")
    listed = host.list()
    room = listed["rooms"][0]
    assert (listed["total"], room["room"], room["visitors"], room["plugin"]) == (1, "red", 2, "rooms")
    assert room["memory_bytes"] > 0 and room["state_bytes"] == 0
    sleeping = host.list("--sleeping")
    assert [room["room"] for room in sleeping["rooms"]] == ["blue"] and sleeping["cursor"] is None
    assert sleeping["rooms"][0]["state_bytes"] > 0
    assert host.run().stdout.split()[:6] == ["ROOM", "PLUGIN", "VISITORS", "MEMORY", "STATE", "AGE"]


def test_rooms_that_sleep_are_listed_in_pages(operated):
    host = operated()
    for name in "abc":
        visitor = host.visit(name)
        visitor.ask("add")
        visitor.close()
        asleep(host, name)
    first = host.list("--sleeping", "--limit", "2")
    second = host.list("--sleeping", "--limit", "2", "--cursor", first["cursor"])
    assert [[room["room"] for room in page["rooms"]] for page in (first, second)] == [["a", "b"], ["c"]]


def test_a_room_that_an_operator_closes_keeps_its_state(operated):
    host = operated(room_idle="1h")
    red, blue = host.visit("red"), host.visit("blue")
    assert [red.ask("add"), blue.ask("add")] == ["1", "1"]
    assert host.run("--close", "red").returncode == 0
    assert red.rest() == ([], (1012, "room closed"))
    asleep(host, "red")
    assert [host.visit("red").ask("get"), blue.ask("get")] == ["1", "1"]


def test_a_room_that_an_operator_resets_has_no_state(operated):
    host = operated()
    red = host.visit("red")
    assert red.ask("add") == "1"
    assert host.run("--reset", "red").returncode == 0
    assert red.rest() == ([], (1012, "room closed"))
    visitor = host.visit("red")
    assert visitor.ask("add") == "1"
    visitor.close()
    asleep(host, "red")
    assert host.run("--reset", "red").returncode == 0
    assert host.list("--sleeping")["rooms"] == []
    assert host.visit("red").ask("get") == "0"


def test_a_room_that_does_not_exist_cannot_be_ended(operated):
    host = operated()
    for verb in ["--close", "--reset"]:
        result = host.run(verb, "red")
        assert result.returncode == 5 and "no room" in result.stderr


def test_the_state_of_rooms_counts_in_the_quota_of_the_tenant(operated):
    host = operated(room_save="event")
    assert host.visit("red").ask("add") == "1"
    limits = Admin(host).ask("/v1/status").json()["tenants"][0]["limits"]
    assert next(limit["used"] for limit in limits if limit["name"] == "keyvalue") > 0


def test_what_rooms_lose_is_counted(operated):
    host = operated(room_save="100ms")
    visitor = host.visit("red")
    assert visitor.ask("add") == "1"
    saved(host)

    def value(name):
        text = Admin(host).ask("/metrics").body.decode()
        line = re.search(rf'^narrowboat_{name}{{tenant="default",plugin="rooms"}} ([\d.]+)$', text, re.MULTILINE)
        return float(line[1])

    assert (value("rooms"), value("room_lost_events_total"), value("room_save_failures_total")) == (1, 0, 0)
    assert value("room_saves_total") >= 1
    assert visitor.ask("fail to save") == "1"
    eventually(lambda: value("room_save_failures_total") >= 1)
    visitor.send("trap")
    assert visitor.ended()[0] == 1011
    eventually(lambda: value("room_lost_events_total") == 1)
    assert host.visit("red").ask("get") == "1"
    assert value("room_wakes_total") == 1


def test_a_reload_that_replaces_the_plugin_keeps_the_state_of_its_rooms(operated):
    host = operated(room_idle="1h")
    first, left = host.visit("red"), host.visit("blue")
    assert [first.ask("add"), first.ask("add"), left.ask("add")] == ["1", "2", "1"]
    left.close()
    text = host.config.read_text()
    assert "grants" in text
    host.config.write_text(text.replace('grants = "all"', 'grants = "all", overflow = "refuse"'))
    Admin(host).post("/v1/reload")
    assert first.rest() == ([], (1012, "plugin reloaded"))
    assert [host.visit("red").ask("add"), host.visit("blue").ask("add")] == ["3", "2"]


def test_many_reloads_lose_no_event_of_a_room(operated):
    host = operated(room_idle="50ms")
    text, count = host.config.read_text(), 0
    for overflow in ["refuse", "close"] * 5:
        visitor = host.visit("red")
        count += 1
        assert visitor.ask("add") == str(count)
        host.config.write_text(text.replace('grants = "all"', f'grants = "all", overflow = "{overflow}"'))
        Admin(host).post("/v1/reload")
        assert visitor.rest()[1] == (1012, "plugin reloaded")
