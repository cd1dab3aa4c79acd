"""The channel layer of the host as Django Channels' interface."""

from componentize_py_types import Err
from wit_world.imports import channel_layer as host
from wit_world.imports.narrowboat_consumer_types import Frame_Binary, Frame_Text

from .message_pack import packb
from .texts import check_text, escape_surrogates

_SEND = host.send
_GROUP_ADD = host.group_add
_GROUP_DISCARD = host.group_discard
_GROUP_SEND = host.group_send
_GROUP_SEND_FRAME = host.group_send_frame


class LayerUnavailable(ConnectionError):
    """The backend of the channel layer, such as Redis, does not respond."""

    __narrowboat_external__ = True


class ChannelLayer:
    """The layer. Its operations take effect in order when the step ends, so none of them waits."""

    extensions = ["groups"]
    MAX_NAME_LENGTH = 100

    def __reduce__(self):
        return "_layer"

    async def send(self, channel, message):
        """Sends a message to a channel.

        Raises ChannelFull, MessageTooLarge, TypeError for an invalid name, PermissionError if the manifest does not
        request the channel, and LayerUnavailable.
        """
        send(channel, message)

    async def group_add(self, group, channel):
        """Adds a channel to a group. Raises as `send`."""
        group_add(group, channel)

    async def group_discard(self, group, channel):
        """Removes a channel from a group. Raises as `send`."""
        _call(_GROUP_DISCARD, group, _check_name(channel))

    async def group_send(self, group, message):
        """Sends a message to each member of a group. Raises as `send`."""
        group_send(group, message)

    async def group_send_frame(self, group, text_data=None, bytes_data=None):
        """Sends a frame to the socket of each member of a group, without their consumers. Raises as `send`."""
        group_send_frame(group, text_data, bytes_data)

    async def receive(self, channel):
        """Raises RuntimeError: the host calls the handlers of a consumer."""
        raise RuntimeError("a plugin does not wait for messages: the host calls the consumer's handlers")

    async def new_channel(self, prefix="specific."):
        """Raises RuntimeError: a consumer has one channel."""
        raise RuntimeError("a consumer has one channel: self.channel_name")

    async def flush(self):
        """Raises RuntimeError: the layer belongs to the host."""
        raise RuntimeError("a plugin cannot flush the channel layer")


def send(channel, message):
    """Sends a message to a channel. Raises as `ChannelLayer.send`."""
    _call(_SEND, channel, _encode(message))


def group_add(group, channel):
    """Adds a channel to a group. Raises as `ChannelLayer.send`."""
    _call(_GROUP_ADD, group, _check_name(channel))


def group_send(group, message):
    """Sends a message to each member of a group. Raises as `ChannelLayer.send`."""
    _call(_GROUP_SEND, group, _encode(message))


def group_send_frame(group, text_data=None, bytes_data=None):
    """Sends a frame to the socket of each member of a group, without their consumers.

    Raises as `ChannelLayer.send`, and ValueError if there is no data or the text cannot be UTF-8.
    """
    _call(_GROUP_SEND_FRAME, group, make_frame(text_data, bytes_data))


def make_frame(text_data, bytes_data):
    """Returns a frame of the contract. Raises TypeError and ValueError for other data than a text or bytes."""
    if text_data is not None:
        if type(text_data) is not str and not isinstance(text_data, str):
            raise TypeError(f"the text of a frame must be str, not {type(text_data).__name__}")
        check_text(text_data)
        return Frame_Text(text_data)
    if type(bytes_data) is bytes:
        return Frame_Binary(bytes_data)
    if isinstance(bytes_data, (bytes, bytearray, memoryview)):
        return Frame_Binary(bytes(bytes_data))
    if bytes_data is None:
        raise ValueError("You must pass one of bytes_data or text_data")
    raise TypeError(f"the bytes of a frame must be bytes, not {type(bytes_data).__name__}")


def _encode(message):
    assert isinstance(message, dict), "message is not a dict"
    assert "__asgi_channel__" not in message
    return packb(message)


def _call(operation, name, value):
    try:
        operation(_check_name(name), value)
    except Err as error:
        raise _exception_of(error.value) from None


def _check_name(name):
    """Returns a name that the host checks. Raises TypeError if it is not a text."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a channel or group must be str, not {type(name).__name__}")
    return escape_surrogates(name)


def _exception_of(error):
    from channels.exceptions import ChannelFull, MessageTooLarge

    if isinstance(error, host.LayerError_ChannelFull):
        return ChannelFull(error.value)
    if isinstance(error, host.LayerError_InvalidName):
        return TypeError(error.value)
    if isinstance(error, host.LayerError_InvalidMessage):
        return ValueError(error.value)
    if isinstance(error, host.LayerError_TooLarge):
        return MessageTooLarge(f"the message is larger than {error.value} bytes")
    if isinstance(error, host.LayerError_Denied):
        return PermissionError(error.value)
    if isinstance(error, host.LayerError_Unavailable):
        return LayerUnavailable(error.value)
    return RuntimeError(error.value)
