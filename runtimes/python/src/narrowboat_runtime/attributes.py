"""The attributes that Django Channels sets on a consumer. They belong to the connection, not to the consumer's state."""


class _ConnectionAttribute:
    """An attribute whose value the connection of the consumer has. A plugin may replace it."""

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, consumer, owner):
        if consumer is None:
            return self
        connection = getattr(consumer, "_narrowboat", None)
        if connection is None:
            raise AttributeError(f"{owner.__name__!r} object has no attribute {self.name!r}")
        replaced = connection.replaced
        if replaced is not None and self.name in replaced:
            return replaced[self.name]
        return self.read(consumer, connection)

    def __set__(self, consumer, value):
        connection = consumer._narrowboat
        if connection.replaced is None:
            connection.replaced = {}
        connection.replaced[self.name] = value

    def __delete__(self, consumer):
        replaced = consumer._narrowboat.replaced
        if replaced is None or self.name not in replaced:
            raise AttributeError(self.name)
        del replaced[self.name]


class LazyScope(_ConnectionAttribute):
    """`self.scope`: built when it is used."""

    def read(self, consumer, connection):
        return connection.get_scope()


class ChannelName(_ConnectionAttribute):
    """`self.channel_name`."""

    def read(self, consumer, connection):
        return connection.name


class ChannelLayerOfAlias(_ConnectionAttribute):
    """`self.channel_layer`."""

    def read(self, consumer, connection):
        from channels.layers import get_channel_layer

        return get_channel_layer(consumer.channel_layer_alias)


class BaseSend(_ConnectionAttribute):
    """`self.base_send`: sends an ASGI message."""

    def read(self, consumer, connection):
        return connection.send_now if consumer._sync else connection.send_soon
