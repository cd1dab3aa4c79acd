import enum
from dataclasses import dataclass, field


@dataclass
class Scope:
    scheme: str = "ws"
    path: str = "/chat/red/"
    raw_path: bytes = b"/chat/red/"
    query_string: bytes = b""
    headers: list = field(default_factory=list)
    subprotocols: list = field(default_factory=list)
    client: tuple = ("10.0.0.1", 5000)
    server: tuple = ("10.0.0.2", 80)
    url_route: list = field(default_factory=list)
    user: str = None
    attributes: list = field(default_factory=list)


@dataclass
class Frame_Text:
    value: str


@dataclass
class Frame_Binary:
    value: bytes


@dataclass
class Closure:
    code: int
    reason: str


@dataclass
class Acceptance:
    subprotocol: str
    headers: list


@dataclass
class Rejection:
    status: int
    headers: list
    body: bytes


@dataclass
class Saved:
    schema: int
    state: bytes


class SaveMode(enum.Enum):
    TRIAL = 0
    MOVE = 1
    FORCED_MOVE = 2


class Handling(enum.Enum):
    HANDLED = 0
    UNKNOWN_TYPE = 1


@dataclass
class ClientError:
    code: int
    reason: str


@dataclass
class Error_Plugin:
    value: str


@dataclass
class Error_Client:
    value: ClientError
