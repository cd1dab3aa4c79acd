from typing import Any

from .exceptions import ChannelFull as ChannelFull
from .exceptions import InvalidChannelLayerError as InvalidChannelLayerError
from .exceptions import MessageTooLarge as MessageTooLarge

class ChannelLayer:
    extensions: list[str]

    async def send(self, channel: str, message: dict[str, Any]) -> None: ...
    async def group_add(self, group: str, channel: str) -> None: ...
    async def group_discard(self, group: str, channel: str) -> None: ...
    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...
    async def group_send_frame(
        self, group: str, text_data: str | None = None, bytes_data: bytes | None = None
    ) -> None: ...

BaseChannelLayer = ChannelLayer

class ChannelLayerManager:
    configs: dict[str, Any]

    def __getitem__(self, alias: str) -> ChannelLayer: ...
    def __contains__(self, alias: str) -> bool: ...

channel_layers: ChannelLayerManager

def get_channel_layer(alias: str = "default") -> ChannelLayer | None: ...
