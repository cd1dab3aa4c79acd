"""A channel of the test."""

from narrowboat_runtime.testing.host_request import request


class Channel:
    """A channel of the test: another member of a group, or the receiver of replies. `name` is its name."""

    def __init__(self):
        self.name = request("open_channel")["channel"]
        self._arrived = None

    def __repr__(self):
        return f"<Channel {self.name}>"

    def join(self, group):
        """Adds the channel to a group."""
        request("group_add", group=group, channel=self.name)

    def leave(self, group):
        """Removes the channel from a group."""
        request("group_discard", group=group, channel=self.name)

    def receive(self):
        """Returns the next message, a dict, or the data of the next frame that was sent to a group, str or bytes.

        Raises AssertionError if nothing has arrived.
        """
        if self.receive_nothing():
            raise AssertionError(f"nothing has arrived at the channel {self.name}")
        arrived, self._arrived = self._arrived, None
        return arrived["message"] if "message" in arrived else arrived["data"]

    def receive_nothing(self):
        """Says whether nothing has arrived."""
        if self._arrived is None:
            self._arrived = request("channel_receive", channel=self.name)
        return self._arrived is None
