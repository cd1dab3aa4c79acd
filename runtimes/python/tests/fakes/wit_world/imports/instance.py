from dataclasses import dataclass
from enum import Enum

from .. import host


class RestoreReason(Enum):
    VERSION = 0
    WAKE = 1
    FAILURE = 2
    HIBERNATION = 3


@dataclass
class AlarmTime_At:
    value: int


@dataclass
class AlarmTime_After:
    value: int


def get_restore_reason():
    return host.restore_reason


def room():
    return host.room


def set_alarm(time):
    host.record("set_alarm", time)


def cancel_alarm():
    host.record("cancel_alarm")


def get_alarm():
    return host.alarm
