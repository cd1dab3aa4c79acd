"""Django Channels' names, on the connections and the channel layer of the host."""

__version__ = "4.3.2"

DEFAULT_CHANNEL_LAYER = "default"
