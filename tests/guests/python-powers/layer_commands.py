"""The commands of the channel layer."""

from channels.exceptions import ChannelFull, MessageTooLarge

#: The names of the errors in both languages.
KINDS = {
    ChannelFull: "full",
    MessageTooLarge: "too large",
    TypeError: "invalid name",
    ValueError: "invalid message",
    PermissionError: "denied",
    ConnectionError: "unavailable",
}


def command(operation):
    """Makes a command of an operation whose errors are replies."""

    async def run(consumer, name, text):
        try:
            await operation(consumer, name, text)
        except tuple(KINDS) as error:
            return "error: " + next(kind for made, kind in KINDS.items() if isinstance(error, made))
        return "ok"

    return run


async def channel(consumer, *_):
    return consumer.channel_name


async def join(consumer, group, channel):
    await consumer.channel_layer.group_add(group, channel or consumer.channel_name)


async def leave(consumer, group, channel):
    await consumer.channel_layer.group_discard(group, channel or consumer.channel_name)


async def tell(consumer, group, text):
    await consumer.channel_layer.group_send(group, {"type": "powers.text", "text": text})


async def send_frame(consumer, group, text):
    await consumer.channel_layer.group_send_frame(group, text)


async def send_bytes(consumer, group, text):
    await consumer.channel_layer.group_send_frame(group, bytes_data=text.encode())


async def send(consumer, channel, text):
    await consumer.channel_layer.send(channel, {"type": "powers.text", "text": text})


async def send_large(consumer, channel, size):
    await send(consumer, channel, "x" * int(size))


async def double(consumer, channel, number):
    message = {"type": "powers.double", "number": int(number), "reply_to": consumer.channel_name}
    await consumer.channel_layer.send(channel, message)


async def send_unknown(consumer, channel, _):
    await consumer.channel_layer.send(channel, {"type": "powers.unknown"})


COMMANDS = {
    "channel": channel,
    "join": command(join),
    "leave": command(leave),
    "tell": command(tell),
    "frame": command(send_frame),
    "bytes": command(send_bytes),
    "send": command(send),
    "large": command(send_large),
    "double": command(double),
    "unknown": command(send_unknown),
}
