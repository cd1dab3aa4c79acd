from collections.abc import Iterable, Mapping

from .config import Config as _Config

config: _Config

class Backpressure(ConnectionError): ...
class CallTimeout(TimeoutError): ...

class ClientError(Exception):
    def __init__(self, code: int, reason: str = "") -> None: ...

class FrameTooLarge(ValueError): ...
class LayerUnavailable(ConnectionError): ...

class Rejected(Exception):
    status: int
    body: bytes | str
    headers: Iterable[tuple[str | bytes, str | bytes]] | Mapping[str, str]

    def __init__(
        self,
        status: int = 403,
        body: bytes | str = b"",
        headers: Iterable[tuple[str | bytes, str | bytes]] | Mapping[str, str] = (),
    ) -> None: ...

def group_send_frame(group: str, text_data: str | None = None, bytes_data: bytes | None = None) -> None: ...
