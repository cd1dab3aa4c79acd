"""`asgiref.sync` without threads: a plugin runs on one thread, so each function runs in the step that calls it."""

import functools
import inspect
import warnings

from narrowboat_runtime.event_loop import call_outside_loop, run_to_end

_iscoroutinefunction = inspect.iscoroutinefunction
_CANNOT_NEST = (
    "You cannot use AsyncToSync in the same thread as an async event loop - just await the async function directly."
)


def iscoroutinefunction(func):
    """Says whether calling the function returns a coroutine."""
    return _iscoroutinefunction(func) or getattr(func, "_is_coroutine_marked", False)


def markcoroutinefunction(func):
    """Marks a function that returns a coroutine."""
    func._is_coroutine_marked = True
    return func


class AsyncToSync:
    """Makes a coroutine function an ordinary function. The coroutine cannot wait for time or for another event."""

    def __init__(self, awaitable, force_new_loop=False):
        if not callable(awaitable):
            raise TypeError("async_to_sync can only be applied to async functions.")
        if not iscoroutinefunction(awaitable) and not iscoroutinefunction(getattr(awaitable, "__call__", awaitable)):
            warnings.warn("async_to_sync was passed a non-async-marked callable", stacklevel=2)
        self.awaitable = awaitable
        if hasattr(awaitable, "__self__"):
            self.__self__ = awaitable.__self__

    def __call__(self, *args, **kwargs):
        return run_to_end(self.awaitable(*args, **kwargs), _CANNOT_NEST)

    def __get__(self, parent, objtype):
        func = functools.partial(self.__call__, parent)
        return functools.update_wrapper(func, self.awaitable)


class SyncToAsync:
    """Makes a function awaitable. It runs in the step that awaits it."""

    def __init__(self, func, thread_sensitive=True, executor=None, context=None):
        if not callable(func) or iscoroutinefunction(func) or iscoroutinefunction(getattr(func, "__call__", func)):
            raise TypeError("sync_to_async can only be applied to sync functions.")
        if thread_sensitive and executor is not None:
            raise TypeError("executor must not be set when thread_sensitive is True")
        functools.update_wrapper(self, func)
        self.func = func
        markcoroutinefunction(self)
        if hasattr(func, "__self__"):
            self.__self__ = func.__self__

    async def __call__(self, *args, **kwargs):
        return call_outside_loop(self.func, *args, **kwargs)

    def __get__(self, parent, objtype):
        func = functools.partial(self.__call__, parent)
        return functools.update_wrapper(func, self.func)


def async_to_sync(awaitable=None, *, force_new_loop=False):
    """Returns an ordinary function for a coroutine function. It is also a decorator."""
    if awaitable is None:
        return lambda func: AsyncToSync(func, force_new_loop=force_new_loop)
    return AsyncToSync(awaitable, force_new_loop=force_new_loop)


def sync_to_async(func=None, *, thread_sensitive=True, executor=None, context=None):
    """Returns a coroutine function for an ordinary function. It is also a decorator."""
    if func is None:
        return lambda func: SyncToAsync(func, thread_sensitive, executor, context)
    return SyncToAsync(func, thread_sensitive, executor, context)


class ThreadSensitiveContext:
    """Does nothing, because there is one thread."""

    async def __aenter__(self):
        return self

    async def __aexit__(self, exc_type, value, traceback):
        return None
