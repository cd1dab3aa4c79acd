"""The channel layer of the host, under the names of Django Channels."""

from narrowboat_runtime.channel_layer import ChannelLayer

from . import DEFAULT_CHANNEL_LAYER
from .exceptions import ChannelFull, InvalidChannelLayerError, MessageTooLarge  # noqa: F401

_layer = ChannelLayer()


class ChannelLayerManager:
    """The layers by alias. A plugin has one, `default`, which the host's configuration names."""

    configs = {DEFAULT_CHANNEL_LAYER: {"BACKEND": "narrowboat"}}

    def __getitem__(self, alias):
        if alias == DEFAULT_CHANNEL_LAYER:
            return _layer
        raise KeyError(alias)

    def __contains__(self, alias):
        return alias == DEFAULT_CHANNEL_LAYER


channel_layers = ChannelLayerManager()
BaseChannelLayer = ChannelLayer


def get_channel_layer(alias=DEFAULT_CHANNEL_LAYER):
    """Returns the layer with this alias, or None if there is none."""
    return _layer if alias == DEFAULT_CHANNEL_LAYER else None
