import enum

from .. import host


class Level(enum.Enum):
    TRACE = 0
    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4
    CRITICAL = 5


def log(level, context, message):
    host.log.append((level.name.lower(), context, message))
