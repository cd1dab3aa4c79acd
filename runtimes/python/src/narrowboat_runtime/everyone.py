"""The consumers of this instance."""

from wit_world.imports import connections

from . import instance
from .channel_layer import make_frame
from .outgoing import OPEN

_SEND_EVERYONE = connections.send_everyone


class Everyone:
    """The consumers of this instance whose connections are accepted: in a room, those of its visitors."""

    __slots__ = ("_without",)

    def __init__(self, without=()):
        self._without = without

    def __iter__(self):
        left_out = [id(each) for each in self._without]
        users = [each.user for each in instance.consumers.values() if each.phase is OPEN and each.host is not None]
        return iter([user for user in users if user is not None and id(user) not in left_out])

    def __len__(self):
        return len(list(iter(self)))

    def __contains__(self, consumer):
        return any(each is consumer for each in self)

    def without(self, *consumers):
        """Returns all but these consumers."""
        return Everyone((*self._without, *consumers))

    def send(self, text_data=None, bytes_data=None):
        """Sends a frame to each of them. Returns the number of connections that took it.

        Raises ValueError if there is no data or the text cannot be UTF-8.
        """
        frame = make_frame(text_data, bytes_data)
        connections = [each._narrowboat for each in self._without]
        handles = [each.host for each in connections if each.host is not None]
        count = _SEND_EVERYONE(frame, handles)
        # The host does not know yet that this one is accepted.
        connecting = instance.connecting
        if connecting is not None and connecting.phase is OPEN and connecting not in connections:
            connecting.host.send(frame)
            count += 1
        return count


def everyone():
    """Returns the consumers of this instance: in a room its visitors, with `isolation = "shared"` those of all connections.

    The consumer whose `connect` runs is among them as soon as it has accepted.
    """
    return Everyone()
