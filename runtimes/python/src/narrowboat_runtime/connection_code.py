"""The code of a connection that waits: its handler, its other tasks and its timers."""

from . import event_loop
from .event_loop import LOOP

#: How often code that catches CancelledError and waits again is cancelled.
_MAX_ATTEMPTS = 3


def is_waiting(connection):
    """Says whether code of the connection waits."""
    return connection.task is not None or bool(connection.tasks) or bool(connection.timers)


def cancel(connection):
    """Cancels the code of the connection and runs it until it ends. Keeps the events that wait."""
    if not is_waiting(connection):
        return
    events, connection.events = connection.events, None
    before = event_loop.enter()
    try:
        for _ in range(_MAX_ATTEMPTS):
            request_cancellation(connection)
            LOOP.run()
            if not is_waiting(connection):
                break
    finally:
        event_loop.leave(before)
        connection.task = None
        connection.events = events


def request_cancellation(connection):
    """Cancels tasks and timers. The tasks end when the loop runs."""
    for task in (*connection.tasks, connection.task):
        if task is not None:
            task.cancel()
    LOOP.call_soon(_cancel_timers, connection)


def _cancel_timers(connection):
    """Cancels the timers of callbacks. Those of tasks are gone, unless a task has caught its cancellation."""
    for timer in list((connection.timers or {}).values()):
        timer.cancel()
