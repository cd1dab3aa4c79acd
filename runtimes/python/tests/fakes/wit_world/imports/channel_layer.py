from dataclasses import dataclass

from .. import host


@dataclass
class LayerError_ChannelFull:
    value: str


@dataclass
class LayerError_InvalidName:
    value: str


@dataclass
class LayerError_InvalidMessage:
    value: str


@dataclass
class LayerError_TooLarge:
    value: int


@dataclass
class LayerError_Denied:
    value: str


@dataclass
class LayerError_Unavailable:
    value: str


@dataclass
class LayerError_Other:
    value: str


def send(channel, message):
    host.record("layer_send", channel, message)


def group_add(group, channel):
    host.record("group_add", group, channel)


def group_discard(group, channel):
    host.record("group_discard", group, channel)


def group_send(group, message):
    host.record("group_send", group, message)


def group_send_frame(group, frame):
    host.record("group_send_frame", group, frame.value)
