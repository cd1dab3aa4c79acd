"""The plugin that this instance of the runtime runs."""

#: The class of the consumers, or None.
consumer_class = None

#: The class of the worker, or None.
worker_class = None

#: The class of connections, which is the resource of the contract.
connection_class = None

#: The connections with an open consumer by the name of their channel.
consumers = {}

#: The connection whose handshake the call `connect` of the contract decides.
connecting = None

#: Whether the consumers are synchronous and have the `dispatch` of Django Channels.
is_plain_sync = False

#: Whether the class of the consumers has a `dispatch` of its own.
has_own_dispatch = False


def set_classes(consumer, worker):
    """Sets the classes of the plugin."""
    from channels.consumer import AsyncConsumer, SyncConsumer

    global consumer_class, worker_class, is_plain_sync, has_own_dispatch
    consumer_class, worker_class = consumer, worker
    if consumer is not None:
        has_own_dispatch = _dispatch_of(consumer) not in (_dispatch_of(AsyncConsumer), _dispatch_of(SyncConsumer))
        is_plain_sync = issubclass(consumer, SyncConsumer) and not has_own_dispatch


def _dispatch_of(consumer):
    for base in consumer.__mro__:
        if "dispatch" in vars(base):
            return vars(base)["dispatch"]
    return None
