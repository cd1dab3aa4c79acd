"""How the pickler saves objects of types that pickle cannot save, or that it would save in a way that is not allowed."""

import ast
import asyncio
import copyreg
import functools
import itertools
import logging
import pickle
import threading
import types
import weakref
import zoneinfo

from channels.layers import ChannelLayer

from .. import instance
from ..event_loop import HostTimer
from ..scope import Scope
from . import rebuild


class HasConsumer(Exception):
    """A value that is compared contains a consumer."""


def get_table():
    """Returns the dispatch table that saves state."""
    return _make_table(instance.consumer_class, _reduce_closed_consumer)


def get_comparing_table():
    """Returns the dispatch table that compares values. It raises HasConsumer for a consumer."""
    return _make_table(instance.consumer_class, _refuse_consumer)


@functools.cache
def _make_table(consumer_class, reduce_consumer):
    return {**copyreg.dispatch_table, **_TABLE, consumer_class: reduce_consumer}


def _refuse_consumer(user):
    raise HasConsumer


def _reduce_closed_consumer(user):
    connection = getattr(user, "_narrowboat", None)
    return rebuild.rebuild_closed_consumer, (connection.name if connection else "",), user.__dict__


def _reduce_method(method):
    return rebuild.rebuild_method, (method.__self__, method.__func__.__name__)


def _reduce_scope(scope):
    return rebuild.rebuild_scope, (scope._read_record.__self__.user,)


def _reduce_count(count):
    _, _, arguments = repr(count).partition("(")
    values = ast.literal_eval(f"({arguments[:-1]},)")
    return rebuild.rebuild_count, (values[0], values[1] if len(values) > 1 else 1)


def _reduce_reference(reference):
    target = reference()
    if target is None:
        return weakref.ref, (object(),)
    return rebuild.rebuild_reference, (target,)


def _reduce_builtin(function):
    if isinstance(function.__self__, (types.ModuleType, type(None))):
        return function.__qualname__
    raise pickle.PicklingError("a method of a built-in type cannot be saved")


def _reduce_lock(lock):
    return rebuild.rebuild_lock, (lock.locked() and not lock._waiters,)


def _reduce_semaphore(semaphore):
    is_bounded = isinstance(semaphore, asyncio.BoundedSemaphore)
    return rebuild.rebuild_semaphore, (is_bounded, semaphore._value, getattr(semaphore, "_bound_value", 0))


def _reduce_queue(queue):
    arguments = (type(queue).__name__, queue.maxsize, queue._unfinished_tasks)
    return rebuild.rebuild_queue, arguments, list(queue._queue), None, None, rebuild.fill_queue


def _reduce_future(future):
    if not future.done() or future.cancelled():
        return rebuild.rebuild_future, ("cancelled", None)
    error = future._exception if not isinstance(future, asyncio.Task) else future.exception()
    if error is not None:
        return rebuild.rebuild_future, ("exception", error)
    return rebuild.rebuild_future, ("result", future.result())


_TABLE = {
    types.MethodType: _reduce_method,
    types.ModuleType: lambda module: (rebuild.rebuild_module, (module.__name__,)),
    logging.Logger: lambda logger: (rebuild.rebuild_logger, (logger.name,)),
    ChannelLayer: lambda layer: (rebuild.rebuild_layer, ()),
    Scope: _reduce_scope,
    zoneinfo.ZoneInfo: lambda zone: (rebuild.rebuild_zone, (zone.key,)),
    itertools.count: _reduce_count,
    types.BuiltinFunctionType: _reduce_builtin,
    types.MethodWrapperType: _reduce_builtin,
    weakref.WeakSet: lambda items: (rebuild.rebuild_weak_set, (list(items),)),
    weakref.ref: _reduce_reference,
    weakref.WeakValueDictionary: lambda items: (rebuild.rebuild_weak_values, (dict(items),)),
    weakref.WeakKeyDictionary: lambda items: (rebuild.rebuild_weak_keys, (dict(items),)),
    type(threading.Lock()): lambda lock: (rebuild.rebuild_thread_lock, ()),
    type(threading.RLock()): lambda lock: (rebuild.rebuild_thread_rlock, ()),
    asyncio.Lock: _reduce_lock,
    asyncio.Event: lambda event: (rebuild.rebuild_event, (event.is_set(),)),
    asyncio.Condition: lambda condition: (rebuild.rebuild_condition, (condition._lock,)),
    asyncio.Semaphore: _reduce_semaphore,
    asyncio.BoundedSemaphore: _reduce_semaphore,
    asyncio.Queue: _reduce_queue,
    asyncio.LifoQueue: _reduce_queue,
    asyncio.PriorityQueue: _reduce_queue,
    asyncio.Task: _reduce_future,
    asyncio.Future: _reduce_future,
    asyncio.Handle: lambda handle: (rebuild.rebuild_handle, ()),
    asyncio.TimerHandle: lambda handle: (rebuild.rebuild_handle, ()),
    HostTimer: lambda handle: (rebuild.rebuild_handle, ()),
}
