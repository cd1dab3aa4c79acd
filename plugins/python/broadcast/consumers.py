"""Sends each text to every client of this instance, including its sender."""

from channels.generic.websocket import WebsocketConsumer

CLIENTS = set()


class BroadcastConsumer(WebsocketConsumer):
    def connect(self):
        CLIENTS.add(self)
        self.accept()

    def disconnect(self, code):
        CLIENTS.discard(self)

    def receive(self, text_data=None, bytes_data=None):
        for client in CLIENTS:
            client.send(text_data=text_data, bytes_data=bytes_data)
