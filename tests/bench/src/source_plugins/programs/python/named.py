from channels.generic.websocket import WebsocketConsumer


class NamedConsumer(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send("NAME: " + text_data)
