from dataclasses import dataclass

from .. import host


@dataclass
class CallTime:
    limit: int
    left: int


def get():
    return CallTime(host.limit, host.left())
