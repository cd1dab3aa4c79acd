"""The base classes of consumers."""

import functools

from asgiref.sync import async_to_sync  # noqa: F401
from narrowboat_runtime.attributes import BaseSend, ChannelLayerOfAlias, ChannelName, LazyScope

from . import DEFAULT_CHANNEL_LAYER
from .db import database_sync_to_async
from .exceptions import StopConsumer  # noqa: F401


class NoHandler(ValueError):
    """A consumer has no handler for the type of a message."""


def get_handler_name(message):
    """Returns the name of the method that handles the message.

    Raises ValueError if the message has no type, or one with a leading underscore.
    """
    if "type" not in message:
        raise ValueError("Incoming message has no 'type' attribute")
    handler_name = message["type"].replace(".", "_")
    if handler_name.startswith("_"):
        raise ValueError("Malformed type in message (leading underscore)")
    return handler_name


class AsyncConsumer:
    """A consumer whose handlers are coroutines.

    The slot `_narrowboat` keeps the attributes of the runtime out of the instance's dictionary, which is the state
    that moves to another version.
    """

    __slots__ = ("_narrowboat", "__dict__", "__weakref__")

    _sync = False
    channel_layer_alias = DEFAULT_CHANNEL_LAYER

    scope = LazyScope()
    channel_name = ChannelName()
    channel_layer = ChannelLayerOfAlias()
    base_send = BaseSend()

    async def __call__(self, scope, receive, send):
        """Raises RuntimeError: the host calls consumers."""
        raise RuntimeError("the host calls consumers: a plugin does not run an ASGI application")

    async def dispatch(self, message):
        """Calls the handler of the message."""
        handler = getattr(self, get_handler_name(message), None)
        if handler:
            await handler(message)
        else:
            raise NoHandler("No handler for message type %s" % message["type"])

    async def send(self, message):
        """Sends an ASGI message to the client."""
        await self.base_send(message)

    @classmethod
    def as_asgi(cls, **initkwargs):
        """Returns an object that names the consumer. The host needs none, because routes are in its configuration."""

        async def app(scope, receive, send):
            consumer = cls(**initkwargs)
            return await consumer(scope, receive, send)

        app.consumer_class = cls
        app.consumer_initkwargs = initkwargs
        functools.update_wrapper(app, cls, updated=())
        return app


class SyncConsumer(AsyncConsumer):
    """A consumer whose handlers are ordinary functions."""

    _sync = True

    @database_sync_to_async
    def dispatch(self, message):
        """Calls the handler of the message."""
        dispatch_now(self, message)

    def send(self, message):
        """Sends an ASGI message to the client."""
        self.base_send(message)


def dispatch_now(consumer, message):
    """Calls the handler of a SyncConsumer."""
    handler = getattr(consumer, get_handler_name(message), None)
    if handler:
        handler(message)
    else:
        raise NoHandler("No handler for message type %s" % message["type"])
