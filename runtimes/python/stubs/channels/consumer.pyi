from collections.abc import Awaitable, Callable
from typing import Any

from .layers import ChannelLayer

class AsyncConsumer:
    channel_layer_alias: str
    scope: dict[str, Any]
    channel_name: str
    channel_layer: ChannelLayer
    base_send: Callable[[dict[str, Any]], Any]

    async def dispatch(self, message: dict[str, Any]) -> None: ...
    async def send(self, message: dict[str, Any]) -> None: ...
    @classmethod
    def as_asgi(cls, **initkwargs: Any) -> Callable[..., Awaitable[None]]: ...
    # Optional methods of a plugin. `migrate` gets the attributes that another version has saved, and returns those to
    # set, or None for the same dictionary. `restored` runs when the connection is there.
    # def migrate(self, old: dict[str, Any]) -> dict[str, Any] | None: ...
    # def restored(self) -> None: ...

class SyncConsumer(AsyncConsumer):
    def send(self, message: dict[str, Any]) -> None: ...  # type: ignore[override]
