"""Makes the modules that a plugin uses reach the host of the tests, in the instance that runs the tests.

So a test can send messages with `channels.layers`, read the plugin's buckets with `narrowboat.keyvalue`, and its
configuration with `narrowboat.config`.
"""

import asyncio

from narrowboat import config, http, keyvalue

from .. import channel_layer
from ..message_pack import unpackb
from .host_request import request
from .plugin_store import PluginAtomics, PluginBatch, PluginConfig, PluginLifetimes, PluginStore

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
    keyvalue.store = PluginStore
    keyvalue.atomics = PluginAtomics
    keyvalue.batch = PluginBatch
    keyvalue.lifetimes = PluginLifetimes
    config.store = PluginConfig
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
