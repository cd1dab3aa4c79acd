"""What Narrowboat adds to Django Channels."""

from narrowboat_runtime.channel_layer import LayerUnavailable, group_send_frame
from narrowboat_runtime.deadline import CallTimeout
from narrowboat_runtime.errors import Backpressure, ClientError, FrameTooLarge, Rejected
from narrowboat_runtime.everyone import Everyone, everyone
from narrowboat_runtime.restore_reason import restore_reason

__all__ = [
    "Backpressure",
    "CallTimeout",
    "ClientError",
    "Everyone",
    "FrameTooLarge",
    "LayerUnavailable",
    "Rejected",
    "everyone",
    "group_send_frame",
    "restore_reason",
]
