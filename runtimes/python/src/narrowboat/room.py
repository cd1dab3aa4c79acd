"""The room of this instance, in a plugin with `isolation = "room"`, and its alarm.

A room has one alarm. It outlives the instance and the host: when it is due, the host wakes the room and calls the
classmethod `alarm` of the consumer, again and again until that succeeds.
"""

from datetime import datetime, timedelta, timezone

from componentize_py_types import Err
from narrowboat_runtime import alarms as _alarms
from wit_world.imports import instance as _host

_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def name():
    """Returns the name of the room, or None without `isolation = "room"`."""
    return _host.room()


def set_alarm(when):
    """Sets the alarm, in place of an earlier one: in seconds, or as timedelta, from now; or at a datetime with a time zone.

    Raises RuntimeError outside of a room, or if the consumer has no classmethod `alarm`.
    """
    time = _alarm_time(when)
    _alarms.find_handler()
    try:
        _host.set_alarm(time)
    except Err as error:
        raise RuntimeError(error.value) from None


def cancel_alarm():
    """Cancels the alarm, if there is one."""
    _host.cancel_alarm()


def get_alarm():
    """Returns the time of the alarm as datetime in UTC, or None. It is None while `alarm` runs, unless that has set one."""
    millis = _host.get_alarm()
    return None if millis is None else _EPOCH + millis * _MILLISECOND


def _alarm_time(when):
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise ValueError("the time of an alarm needs a time zone: datetime.now(timezone.utc) + timedelta(minutes=5)")
        return _host.AlarmTime_At(max(0, -((_EPOCH - when) // _MILLISECOND)))
    if isinstance(when, timedelta):
        return _host.AlarmTime_After(max(0, -(-when // _MILLISECOND)))
    if isinstance(when, (int, float)) and not isinstance(when, bool):
        return _alarm_time(timedelta(seconds=when))
    raise TypeError(f"an alarm is set in seconds, or with timedelta or datetime, not with {type(when).__name__}")
