"""The worker: it doubles numbers."""

from channels.consumer import SyncConsumer
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer


class Doubler(SyncConsumer):
    """Doubles numbers."""

    def powers_double(self, event):
        text = f"{event['number'] * 2} from {self.scope['channel']}"
        send = async_to_sync(get_channel_layer().send)
        send(event["reply_to"], {"type": "powers.text", "text": text})
