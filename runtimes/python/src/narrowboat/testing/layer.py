"""Messages to the consumers and workers of the plugin, over the channel layer."""

from narrowboat_runtime.channel_layer import make_frame
from narrowboat_runtime.testing.host_request import request


def send(channel, message):
    """Sends a message to a channel: that of a connection, of a worker or of a `Channel`."""
    request("layer_send", channel=channel, message=check_message(message))


def group_send(group, message):
    """Sends a message to each member of a group."""
    request("group_send", group=group, message=check_message(message))


def group_send_frame(group, text_data=None, bytes_data=None):
    """Sends a frame to the socket of each member of a group, without running its consumer."""
    request("group_send_frame", group=group, data=make_frame(text_data, bytes_data).value)


def check_message(message):
    """Returns a message of the channel layer. Raises TypeError and ValueError for another value."""
    if not isinstance(message, dict):
        raise TypeError(f"a message has to be dict, not {type(message).__name__}")
    if not isinstance(message.get("type"), str):
        raise ValueError('a message needs the key "type", whose value is a str')
    return message
