"""Makes the modules that a plugin uses reach the host of the tests, in the instance that runs the tests.

So a test can send messages with `channels.layers`, and read the plugin's buckets with `narrowboat.keyvalue`.
"""

import asyncio

from narrowboat import http, keyvalue

from .. import channel_layer
from ..message_pack import unpackb
from .host_request import read_bytes, request

#: The seconds between two looks at a channel for a message.
_INTERVAL = 0.05


def install():
    """Replaces the functions of the modules."""
    channel_layer._SEND = lambda name, raw: request("layer_send", channel=name, message=unpackb(raw))
    channel_layer._GROUP_ADD = lambda name, channel: request("group_add", group=name, channel=channel)
    channel_layer._GROUP_DISCARD = lambda name, channel: request("group_discard", group=name, channel=channel)
    channel_layer._GROUP_SEND = lambda name, raw: request("group_send", group=name, message=unpackb(raw))
    channel_layer._GROUP_SEND_FRAME = lambda name, frame: request("group_send_frame", group=name, data=frame.value)
    channel_layer.ChannelLayer.new_channel = _new_channel
    channel_layer.ChannelLayer.receive = _receive
    keyvalue.store = keyvalue.atomics = PluginStore
    http._send = _refuse_to_send


async def _new_channel(layer, prefix="specific."):
    """Returns the name of a new channel, which belongs to the test."""
    return request("open_channel")["channel"]


async def _receive(layer, channel):
    """Waits for a message of a channel and returns it."""
    while True:
        arrived = request("channel_receive", channel=channel)
        if arrived is not None and "message" in arrived:
            return arrived["message"]
        await asyncio.sleep(0 if arrived is not None else _INTERVAL)


def _refuse_to_send(*_):
    raise http.HttpError("the code of a test has no network: respond() makes responses for the requests of the plugin")


class PluginStore:
    """The buckets of the plugin. It stands for the functions of `wasi:keyvalue`."""

    @staticmethod
    def open(name):
        """Returns a bucket."""
        return PluginBucket(name)

    @staticmethod
    def increment(bucket, key, delta):
        """Adds to a whole number and returns the sum."""
        total = int(bucket.get(key) or b"0") + delta
        bucket.set(key, str(total).encode())
        return total


class PluginBucket:
    """A bucket of the plugin."""

    def __init__(self, name):
        self._name = name

    def get(self, key):
        """Returns the bytes of a key, or None."""
        value = request("keyvalue_get", bucket=self._name, key=key)
        return None if value is None else read_bytes(value)

    def set(self, key, value):
        """Sets the bytes of a key."""
        request("keyvalue_set", bucket=self._name, key=key, value=value)

    def delete(self, key):
        """Deletes a key."""
        request("keyvalue_delete", bucket=self._name, key=key)

    def exists(self, key):
        """Says whether there is a value for the key."""
        return self.get(key) is not None

    def list_keys(self, cursor):
        """Returns all keys as the only page."""
        return KeyPage(request("keyvalue_keys", bucket=self._name))


class KeyPage:
    """A page of keys, and the only one."""

    cursor = None

    def __init__(self, keys):
        self.keys = keys
