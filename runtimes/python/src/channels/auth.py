"""Middleware that does nothing: the host authenticates users before it calls a plugin."""


def AuthMiddlewareStack(inner):  # noqa: N802
    """Returns `inner`. The user is in `scope["user"]`."""
    return inner


AuthMiddleware = AuthMiddlewareStack
