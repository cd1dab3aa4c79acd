"""The room of an instance, its alarm, and frames for everyone in it."""

import sys
from datetime import datetime, timezone

import pytest
from instance import Failed, start

ROOM = """
from datetime import datetime, timedelta, timezone
from channels.generic.websocket import WebsocketConsumer
from narrowboat import everyone, restore_reason, room

handled = []

class Room(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        room.set_alarm(eval(text_data))

    @classmethod
    def alarm(cls):
        handled.append(room.name())
        everyone().send(f"alarm {len(handled)}")
"""


def alarm_of(instance, expression):
    ((_, time),) = instance.connect().send(expression)
    return type(time).__name__, time.value


def test_an_alarm_is_set_in_seconds_or_with_timedelta_from_now():
    instance = start(ROOM)
    assert alarm_of(instance, "1.5") == ("AlarmTime_After", 1500)
    assert alarm_of(instance, "timedelta(milliseconds=2, microseconds=1)") == ("AlarmTime_After", 3)
    assert alarm_of(instance, "-1") == ("AlarmTime_After", 0)


def test_an_alarm_is_set_to_a_time_with_a_zone():
    instance = start(ROOM)
    at = datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=timezone.utc)
    millis = int(datetime(2026, 1, 1, tzinfo=timezone.utc).timestamp() * 1000) + 1
    assert alarm_of(instance, repr(at).replace("datetime.", "")) == (
        "AlarmTime_At",
        millis,
    )


@pytest.mark.parametrize("expression", ["datetime(2026, 1, 1)", "'soon'", "True", "None"])
def test_other_times_are_refused(expression):
    with pytest.raises(Failed):
        start(ROOM).connect().send(expression)


def test_the_handler_of_alarms_belongs_to_the_class():
    instance = start(ROOM)
    instance.connect()
    instance.host.room = "red"
    instance.alarm()
    instance.alarm()
    assert instance.take_effects() == [("send_everyone", "alarm 1", []), ("send_everyone", "alarm 2", [])]


def test_an_asynchronous_handler_runs_to_its_end_and_cannot_wait():
    source = ROOM.replace("    def alarm", "    async def alarm").replace("handled.append", "await cls.pause(); handled.append")
    source += "\n    @staticmethod\n    async def pause():\n        import asyncio\n        await asyncio.sleep(DELAY)\n"
    instance = start(source.replace("DELAY", "0"))
    instance.alarm()
    assert instance.take_effects() == [("send_everyone", "alarm 1", [])]
    with pytest.raises(Failed, match="an alarm cannot wait"):
        start(source.replace("DELAY", "1")).alarm()


@pytest.mark.parametrize("source", [ROOM.replace("@classmethod", ""), ROOM.replace("def alarm", "def other")])
def test_a_handler_that_cannot_be_called_is_an_error_when_an_alarm_is_set(source):
    with pytest.raises(Failed, match="add @classmethod def alarm"):
        start(source).connect().send("1")
    with pytest.raises(Failed, match="add @classmethod def alarm"):
        start(source).alarm()


def test_what_the_host_refuses_is_an_error():
    instance = start(ROOM)
    with instance.entered():
        instance.host.errors["set_alarm"] = sys.modules["componentize_py_types"].Err("only a room has an alarm")
    with pytest.raises(Failed, match="only a room has an alarm"):
        instance.connect().send("1")


def test_the_alarm_can_be_read_and_cancelled():
    source = ROOM.replace("room.set_alarm(eval(text_data))", "self.send(str(room.get_alarm())); room.cancel_alarm()")
    instance = start(source)
    client = instance.connect()
    assert client.send("") == [("send", client.name, "None"), ("cancel_alarm",)]
    instance.host.alarm = 1_767_225_600_001
    assert client.send("")[0][2] == "2026-01-01 00:00:00.001000+00:00"


EVERYONE = """
from channels.generic.websocket import AsyncWebsocketConsumer
from narrowboat import everyone

class Room(AsyncWebsocketConsumer):
    async def connect(self):
        self.number = len(everyone())
        if not self.scope["query_string"]:
            await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        others = everyone().without(self)
        assert self in everyone() and self not in others
        await self.send(str([each.number for each in others]))
        others.send(text_data)
"""


def test_everyone_has_the_consumers_whose_connections_are_accepted():
    instance = start(EVERYONE)
    first, second = instance.connect("specific.a!1"), instance.connect("specific.a!2")
    instance.connect("specific.a!3", query_string=b"later")
    instance.take_effects()
    assert first.send("hi") == [("send", first.name, "[1]"), ("send_everyone", "hi", [first.name])]
    second.disconnect()
    assert first.send("hi")[0] == ("send", first.name, "[]")


def test_a_consumer_that_has_accepted_in_connect_is_one_of_everyone():
    source = EVERYONE.replace("await self.accept()", "await self.accept(); everyone().send('welcome')")
    instance = start(source)
    client = instance.connect()
    assert instance.take_effects() == [("send_everyone", "welcome", []), ("send", client.name, "welcome")]


def test_code_knows_why_its_state_is_restored():
    source = ROOM + "\n    def restored(self):\n        self.reason = restore_reason()\n"
    instance = start(source)
    client = instance.connect()
    case, saved = instance.save()
    new = start(source)
    new.load_state(saved)
    with new.entered():
        reasons = __import__("wit_world.imports.instance", fromlist=["RestoreReason"]).RestoreReason
    new.host.restore_reason = reasons.FAILURE
    assert (case, new.restore(client.name).user.reason) == ("WithConsumers", "failure")
