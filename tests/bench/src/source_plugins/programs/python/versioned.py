from channels.generic.websocket import WebsocketConsumer


class VersionedConsumer(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send("VERSION")
