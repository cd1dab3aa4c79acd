"""The resources of the interface `websocket`, where componentize-py looks for them."""

from narrowboat_runtime.connection import Connection as Consumer  # noqa: F401
