"""The resource of the interface `websocket`, where componentize-py looks for it."""

from narrowboat_runtime.connection_resource import Consumer  # noqa: F401
