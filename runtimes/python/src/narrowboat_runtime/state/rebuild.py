"""The functions that a snapshot calls to rebuild objects which pickle cannot rebuild by itself."""

import asyncio
import importlib
import itertools
import logging
import sys
import threading
import types
import weakref
import zoneinfo


def rebuild_closed_consumer(name):
    """A consumer whose connection has ended."""
    from .. import connection, instance

    user = instance.consumer_class.__new__(instance.consumer_class)
    closed = connection.Connection(name, None)
    closed.phase = connection.STOPPED
    user._narrowboat = closed
    return user


def rebuild_method(owner, name):
    """A bound method of an object."""
    method = getattr(owner, name)
    if not isinstance(method, types.MethodType):
        raise TypeError(f"{type(owner).__name__}.{name} is not a method")
    return method


def rebuild_module(name):
    """A module that is imported or that the plugin has."""
    from .. import plugin_importer

    if name not in sys.modules and not plugin_importer.is_plugin_module(name):
        raise ModuleNotFoundError(f"this version has no module {name}", name=name)
    return importlib.import_module(name)


def rebuild_logger(name):
    """A logger."""
    return logging.getLogger(name)


def rebuild_layer():
    """The channel layer."""
    from channels.layers import get_channel_layer

    return get_channel_layer()


def rebuild_scope(user):
    """The scope of a consumer."""
    return user._narrowboat.get_scope()


def rebuild_zone(key):
    """A time zone."""
    return zoneinfo.ZoneInfo(key)


def rebuild_count(start, step):
    """A counter of itertools."""
    return itertools.count(start, step)


def rebuild_reference(target):
    """A weak reference."""
    return weakref.ref(target)


def rebuild_weak_set(items):
    """A set of weak references."""
    return weakref.WeakSet(items)


def rebuild_weak_values(items):
    """A dictionary with weak references to its values."""
    return weakref.WeakValueDictionary(items)


def rebuild_weak_keys(items):
    """A dictionary with weak references to its keys."""
    return weakref.WeakKeyDictionary(items)


def rebuild_thread_lock():
    """A lock of `threading`, which nobody holds."""
    return threading.Lock()


def rebuild_thread_rlock():
    """A reentrant lock of `threading`, which nobody holds."""
    return threading.RLock()


def rebuild_lock(is_locked):
    """A lock of asyncio."""
    lock = asyncio.Lock()
    lock._locked = bool(is_locked)
    return lock


def rebuild_event(is_set):
    """An event of asyncio."""
    event = asyncio.Event()
    if is_set:
        event.set()
    return event


def rebuild_condition(lock):
    """A condition of asyncio."""
    return asyncio.Condition(lock)


def rebuild_semaphore(is_bounded, value, bound):
    """A semaphore of asyncio."""
    semaphore = asyncio.BoundedSemaphore(bound) if is_bounded else asyncio.Semaphore(value)
    semaphore._value = value
    return semaphore


_QUEUES = {"Queue": asyncio.Queue, "LifoQueue": asyncio.LifoQueue, "PriorityQueue": asyncio.PriorityQueue}


def rebuild_queue(kind, maxsize, unfinished):
    """An empty queue of asyncio. Its items follow as the state of the object."""
    queue = _QUEUES[kind](maxsize)
    queue._unfinished_tasks = unfinished
    if unfinished:
        queue._finished.clear()
    return queue


def fill_queue(queue, items):
    """Puts the items into a queue of asyncio."""
    queue._queue.extend(items)


def rebuild_future(state, value):
    """A future or a task that has ended. A task that waited has been cancelled."""
    from ..event_loop import LOOP

    future = LOOP.create_future()
    if state == "result":
        future.set_result(value)
    elif state == "exception":
        future.set_exception(value)
        future.exception()
    else:
        future.cancel()
    return future


def rebuild_handle():
    """A callback that was cancelled."""
    from ..event_loop import LOOP

    handle = asyncio.Handle(_nothing, (), LOOP)
    handle.cancel()
    return handle


def _nothing():
    """Does nothing."""
