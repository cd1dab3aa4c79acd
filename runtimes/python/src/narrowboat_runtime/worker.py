"""The worker of a plugin: a consumer that handles the messages of named channels, as under `runworker`."""

from channels.consumer import NoHandler, SyncConsumer, dispatch_now
from channels.exceptions import StopConsumer
from componentize_py_types import Err
from wit_world.imports.narrowboat_consumer_types import Handling

from . import deadline, detached_call, failure, instance, log
from .message_pack import unpackb

#: The workers by the name of their channel, as in Django Channels.
_workers = {}


class WorkerChannel:
    """The channel of a worker. It stands where a consumer has its connection."""

    __slots__ = ("name", "scope", "replaced", "user")

    def __init__(self, name):
        self.name = name
        self.scope = {"type": "channel", "channel": name}
        self.replaced = None
        self.user = instance.worker_class.__new__(instance.worker_class)
        self.user._narrowboat = self
        self.user.__init__()

    def get_scope(self):
        """Returns the scope of the channel."""
        return self.scope

    def send_now(self, message):
        """Raises RuntimeError: a worker has no client."""
        raise RuntimeError("a worker has no client: send a message over the channel layer")

    async def send_soon(self, message):
        """Raises RuntimeError: a worker has no client."""
        self.send_now(message)

    def handle(self, event):
        """Handles a message. Raises what the handler raises, and RuntimeError if it waits."""
        user = self.user
        if isinstance(user, SyncConsumer) and _has_default_dispatch(user):
            dispatch_now(user, event)
            return
        detached_call.run(user.dispatch(event), "a worker")


def _has_default_dispatch(user):
    return instance._dispatch_of(type(user)) is vars(SyncConsumer)["dispatch"]


def handle(channel, message):
    """Handles a message of a channel. Raises Err with a text."""
    handling = Handling.HANDLED
    # The instance of a worker has no connections.
    deadline.name_limit("worker_time")
    try:
        if instance.worker_class is None:
            raise RuntimeError('the plugin has no worker: name its class in plugin.toml: worker = "module:Class"')
        worker = _workers.get(channel)
        if worker is None:
            worker = _workers[channel] = WorkerChannel(channel)
        worker.handle(unpackb(message))
    except NoHandler:
        handling = Handling.UNKNOWN_TYPE
    except StopConsumer:
        _workers.pop(channel, None)
    except BaseException as error:
        failure.report(error)
        raise Err(failure.describe(error)) from None
    finally:
        log.flush()
    return handling
