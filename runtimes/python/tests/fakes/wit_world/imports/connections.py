from dataclasses import dataclass

from .. import host


@dataclass
class SendError_Closed:
    pass


@dataclass
class SendError_Backpressure:
    pass


@dataclass
class SendError_TooLarge:
    value: int


@dataclass
class SendError_Other:
    value: str


class Connection:
    def __init__(self, name, scope=None):
        self._name = name
        self._scope = scope
        self.scope_reads = 0

    def channel_name(self):
        return self._name

    def scope(self):
        self.scope_reads += 1
        return self._scope

    def send(self, frame):
        host.record("send", self._name, frame.value)

    def close(self, code, reason):
        host.record("close", self._name, code, reason)

    def set_timer(self, delay_ms):
        number = host.next_timer
        host.next_timer += 1
        host.record("set_timer", self._name, number, delay_ms)
        return number

    def clear_timer(self, number):
        host.record("clear_timer", self._name, number)

    def accept(self, acceptance):
        host.record("accept", self._name, acceptance)

    def reject(self, rejection):
        host.record("reject", self._name, rejection)


def everyone():
    return []


def send_everyone(frame, without):
    host.record("send_everyone", frame.value, [each._name for each in without])
    return 0
