from channels.generic.websocket import WebsocketConsumer

VERSION = "v0"
CLIENTS = set()


class RoomConsumer(WebsocketConsumer):
    def connect(self):
        CLIENTS.add(self)
        self.count = 0
        self.texts = []
        self.accept()

    def disconnect(self, code):
        CLIENTS.discard(self)

    def receive(self, text_data=None, bytes_data=None):
        self.count += 1
        self.texts.append(text_data)
        self.send(f"{VERSION} {self.count} {len(CLIENTS)}")
