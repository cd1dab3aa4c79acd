"""`asgiref.local` without threads."""

import contextvars


class Local:
    """An object whose attributes belong to the current context."""

    def __init__(self, thread_critical=False):
        object.__setattr__(self, "_values", contextvars.ContextVar("asgiref.local", default=None))

    def __getattr__(self, key):
        values = self._values.get() or {}
        if key not in values:
            raise AttributeError(f"{self!r} object has no attribute {key!r}")
        return values[key]

    def __setattr__(self, key, value):
        self._values.set({**(self._values.get() or {}), key: value})

    def __delattr__(self, key):
        values = dict(self._values.get() or {})
        if key not in values:
            raise AttributeError(f"{self!r} object has no attribute {key!r}")
        del values[key]
        self._values.set(values)
