"""Runs code that belongs to no connection, so that it cannot wait."""

import contextvars

from . import event_loop
from .event_loop import LOOP


def run(coroutine, subject):
    """Runs a coroutine to its end. Raises what it raises, and RuntimeError if it waits."""
    before = event_loop.enter()
    try:
        task = event_loop.start_task(coroutine, contextvars.copy_context())
        LOOP.run()
        if not task.done():
            _refuse_to_wait(task, subject)
    finally:
        event_loop.cancel_detached()
        event_loop.leave(before)
    error = None if task.cancelled() else task.exception()
    if error is not None:
        raise event_loop.original_exception(error)


def _refuse_to_wait(task, subject):
    place = event_loop.where(task)
    task.cancel()
    LOOP.run()
    raise RuntimeError(f"{subject} cannot wait for time or for another message, and this one waits at {place}")
