"""The resource `consumer` of the contract: a connection that can also be saved and restored."""

from . import instance
from .connection import Connection
from .state import restoring, saving


class Consumer(Connection):
    """The resource. componentize-py calls its methods."""

    __slots__ = ()

    def snapshot(self, mode):
        """Saves the state of this consumer alone."""
        return saving.save_consumer(self, mode)

    @classmethod
    def restore(cls, connection, saved):
        """Creates the consumer from a snapshot, or from the state of the module."""
        return restoring.restore_consumer(connection, saved)


instance.connection_class = Consumer
