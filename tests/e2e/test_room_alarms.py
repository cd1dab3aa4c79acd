"""Alarms of rooms, and frames for everyone in a room."""

import re
import signal

import pytest

from admin import Admin
from support import eventually
from test_rooms import asleep, rooms  # noqa: F401


@pytest.fixture
def host(rooms):  # noqa: F811
    return rooms()


def leave(host, room, *visitors):
    """Closes visitors, and waits until the room sleeps."""
    since = len(host.log())
    for visitor in visitors:
        visitor.close()
    asleep(host, room, since)


def test_an_alarm_is_handled_in_a_room_that_is_awake(host):
    visitor = host.visit("red")
    assert visitor.ask("alarm in 50") == "set"
    assert visitor.recv() == "alarm 1"
    assert visitor.ask("alarm") == "none"


def test_an_alarm_wakes_a_room_that_sleeps(host):
    visitor = host.visit("red")
    assert visitor.ask("add") == "1"
    assert visitor.ask("alarm in 1000") == "set"
    leave(host, "red", visitor)
    since = len(host.log())
    # A room that an alarm has woken sleeps at once.
    asleep(host, "red", since)
    visitor = host.visit("red")
    assert visitor.ask("reason") == "Some(Wake)"
    assert [visitor.ask("alarm in 60000"), visitor.ask("alarm in 20")] == ["set", "set"]
    assert visitor.recv() == "alarm 2"


def test_a_room_has_one_alarm_which_can_be_replaced_and_cancelled(host):
    visitor = host.visit("red")
    assert [visitor.ask("alarm in 60000"), visitor.ask("alarm in 100")] == ["set", "set"]
    assert visitor.recv() == "alarm 1"
    assert visitor.ask("alarm in 100") == "set"
    assert [visitor.ask("cancel"), visitor.ask("alarm")] == ["0", "none"]
    host.silence(0.3)
    assert visitor.ask("get") == "0"


def test_an_alarm_outlives_the_host(rooms):  # noqa: F811
    host = rooms()
    visitor = host.visit("red")
    assert visitor.ask("alarm in 1500") == "set"
    leave(host, "red", visitor)
    host.stop(signal.SIGKILL)
    host = rooms()
    eventually(lambda: alarm_count(host) == 1)
    visitor = host.visit("red")
    assert visitor.ask("alarm in 10") == "set"
    assert visitor.recv() == "alarm 2"


def test_an_alarm_is_kept_that_was_set_before_the_host_was_killed(rooms):  # noqa: F811
    host = rooms(room_save="event")
    visitor = host.visit("red")
    assert visitor.ask("alarm in 500") == "set"
    host.stop(signal.SIGKILL)
    host = rooms(room_save="event")
    visitor = host.visit("red")
    assert visitor.recv() == "alarm 1"


def test_an_alarm_that_came_due_while_the_host_was_away_is_handled_later(rooms):  # noqa: F811
    host = rooms(room_save="event", room_idle="100ms")
    visitor = host.visit("red")
    assert visitor.ask("alarm in 300") == "set"
    leave(host, "red", visitor)
    host.stop()
    host.silence(0.3)
    host = rooms(room_save="event", room_idle="100ms")
    eventually(lambda: alarm_count(host) == 1)
    visitor = host.visit("red")
    assert visitor.ask("alarm") == "none"
    assert visitor.ask("alarm in 10") == "set"
    assert visitor.recv() == "alarm 2"


@pytest.mark.parametrize("save", ("idle", "event"))
def test_an_alarm_that_fails_is_handled_again(rooms, save):  # noqa: F811
    host = rooms(room_save=save)
    visitor = host.visit("red")
    assert visitor.ask("mode fail") == "fail"
    assert visitor.ask("alarm in 20") == "set"
    assert [visitor.recv() for _ in range(3)] == ["alarm 1", "alarm 2", "alarm 3"]
    assert visitor.ask("alarm") == "none"
    assert host.log().count("the alarm of a room failed") == 2


def test_an_alarm_that_traps_is_handled_again_by_another_instance(rooms):  # noqa: F811
    host = rooms(room_save="event")
    visitor = host.visit("red")
    assert visitor.ask("mode trap") == "trap"
    assert visitor.ask("alarm in 20") == "set"
    host.logged("the alarm of a room failed")
    assert visitor.ended()[0] == 1012
    # The count of the first call is lost with its instance, so the second call traps as well.
    host.logged("the alarm of a room failed", len(host.log()))


def test_an_alarm_may_set_the_next_one(host):
    visitor = host.visit("red")
    assert visitor.ask("mode repeat") == "repeat"
    assert visitor.ask("alarm in 20") == "set"
    assert [visitor.recv() for _ in range(3)] == ["alarm 1", "alarm 2", "alarm 3"]
    assert visitor.ask("alarm") == "none"


def test_many_rooms_wake_for_their_alarms(rooms):  # noqa: F811
    host = rooms(room_idle="50ms")
    names = [f"r{number}" for number in range(100)]
    for name in names:
        visitor = host.visit(name)
        assert visitor.ask("alarm in 3000") == "set"
        visitor.close()
    eventually(lambda: alarm_count(host) == 100)


def alarm_count(host):
    text = Admin(host).ask("/metrics").body.decode()
    return int(re.search(r'^narrowboat_room_alarms_total{.*plugin="rooms"} (\d+)$', text, re.MULTILINE)[1])


def test_an_alarm_is_reset_with_its_room(host, narrowboat):
    visitor = host.visit("red")
    assert visitor.ask("alarm in 2000") == "set"
    leave(host, "red", visitor)
    run = lambda *words: narrowboat("rooms", "rooms", *words, *Admin(host).arguments).stdout
    assert re.search(r"^red .* \d{4}-\d\d-\d\dT[\d:]+Z$", run("--sleeping"), re.MULTILINE)
    run("--reset", "red")
    assert host.visit("red").ask("alarm") == "none"


def test_a_frame_for_everyone_reaches_the_visitors_of_the_room_alone(host):
    red, other, blue = host.visit("red"), host.visit("red"), host.visit("blue")
    assert [red.ask("everyone"), other.ask("everyone"), blue.ask("everyone")] == ["2", "2", "1"]
    assert red.ask("say hello") == "1"
    assert other.recv() == "hello"
    assert blue.ask("say hello") == "0"
    other.close()
    eventually(lambda: red.ask("everyone") == "1")


def test_a_room_knows_its_name(host):
    assert host.visit("red").ask("name") == "red"
