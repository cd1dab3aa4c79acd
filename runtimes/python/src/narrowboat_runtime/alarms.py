"""The alarm of the room: the interface `alarms`."""

import inspect

from componentize_py_types import Err

from . import detached_call, event_loop, failure, instance, log

_METHOD_KINDS = (classmethod, staticmethod)


def find_handler():
    """Returns the handler of alarms. Raises RuntimeError if the class of the consumers has none that can be called."""
    consumer = instance.consumer_class
    found = inspect.getattr_static(consumer, "alarm", None) if consumer is not None else None
    if isinstance(found, _METHOD_KINDS):
        return getattr(consumer, "alarm")
    problem = "no method alarm" if found is None else "a method alarm that is no classmethod"
    raise RuntimeError(f"the consumer has {problem}: an alarm belongs to the room: add @classmethod def alarm(cls)")


def handle():
    """Calls the handler of alarms. Raises Err with a text."""
    try:
        handler = find_handler()
        before = event_loop.enter()
        try:
            result = handler()
        finally:
            event_loop.leave(before)
        if inspect.isawaitable(result):
            detached_call.run(result, "an alarm")
    except BaseException as error:
        failure.report(error)
        raise Err(failure.describe(error)) from None
    finally:
        log.flush()
