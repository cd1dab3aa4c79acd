"""What Narrowboat adds to Django Channels."""

from narrowboat_runtime.channel_layer import LayerUnavailable, group_send_frame
from narrowboat_runtime.deadline import CallTimeout
from narrowboat_runtime.errors import Backpressure, ClientError, FrameTooLarge, Rejected

__all__ = [
    "Backpressure",
    "CallTimeout",
    "ClientError",
    "FrameTooLarge",
    "LayerUnavailable",
    "Rejected",
    "group_send_frame",
]
