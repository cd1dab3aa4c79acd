"""A Django site with each consumer of consumers.py at /CLASS/ROOM/.

Run with `uvicorn django_consumers:application`.
"""

import inspect

import django
from channels.consumer import AsyncConsumer, SyncConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import path

settings.configure(
    SECRET_KEY="for tests only",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=[],
    INSTALLED_APPS=["channels"],
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
)
django.setup()

import consumers  # noqa: E402
from channels.sessions import CookieMiddleware  # noqa: E402


def is_consumer(value):
    return inspect.isclass(value) and issubclass(value, (AsyncConsumer, SyncConsumer)) and value.__module__ == "consumers"


classes = filter(is_consumer, vars(consumers).values())
routes = [path(f"{value.__name__}/<room>/", value.as_asgi()) for value in classes]
application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": CookieMiddleware(URLRouter(routes))})
