"""A Django site with the counterparts of plugins/group, at /chat/ROOM/, and of plugins/echo, at /echo/.

Run with `uvicorn django_chat:application`. The environment variable CHANNEL_LAYERS has the layers as JSON.
"""

import json
import os

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import path

settings.configure(
    SECRET_KEY="for tests only",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=[],
    INSTALLED_APPS=["channels"],
    CHANNEL_LAYERS=json.loads(os.environ["CHANNEL_LAYERS"]),
)
django.setup()


class Chat(AsyncWebsocketConsumer):
    async def connect(self):
        self.group = "chat_" + self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        # Both types select the handler below.
        kind = "chat_message" if text_data.startswith("_") else "chat.message"
        await self.channel_layer.group_send(self.group, {"type": kind, "message": text_data})

    async def chat_message(self, event):
        await self.send(text_data=event["message"])


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=text_data, bytes_data=bytes_data)


application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter(
            [path("chat/<room>/", Chat.as_asgi()), path("echo/", Echo.as_asgi())]
        ),
    }
)
