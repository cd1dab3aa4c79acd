"""Tells the log of the code that a move cancels, which would otherwise stop without a trace."""

import collections

from . import event_loop, failure, instance, log

#: The most different pieces of code that a line names.
_MAX_NAMED = 5

#: The most characters of the name of a piece of code.
_MAX_NAME = 100


def report(connections):
    """Logs the code of connections that is about to be cancelled. Never raises."""
    try:
        _report(connections)
    except Exception as error:
        # A callback may be any object of the plugin, and fail when it is asked for its name.
        failure.report(error, "a move cancels code that cannot be named")


def _report(connections):
    tasks = collections.Counter(_describe(task) for each in connections for task in each.tasks)
    handlers = collections.Counter(event_loop.where(each.task) for each in connections if each.task is not None)
    idle = [each for each in connections if each.task is None and not each.tasks]
    callbacks = collections.Counter(_name(timer._callback) for each in idle for timer in each.timers.values())
    if tasks:
        _report_tasks(tasks)
    if handlers:
        _write(log.Level.WARN, handlers, "handler", "")
    if callbacks:
        _write(log.Level.WARN, callbacks, "callback", "")


def _report_tasks(tasks):
    if hasattr(instance.consumer_class, "restored"):
        _write(log.Level.INFO, tasks, "task", "")
    else:
        them = "it" if tasks.total() == 1 else "them"
        _write(log.Level.WARN, tasks, "task", f": start {them} again in restored()")


def _write(level, found, kind, hint):
    count = found.total()
    named = [text if number == 1 else f"{text} {number} times" for text, number in found.most_common(_MAX_NAMED)]
    if len(found) > _MAX_NAMED:
        named.append("others")
    log.write(level, "move", f"a move cancelled {count} {kind}{'' if count == 1 else 's'}: {', '.join(named)}{hint}")


def _describe(task):
    """Returns the coroutine of a task and the line at which it waits, such as `News.beat (consumers.py:20)`."""
    return f"{_name(task.get_coro())} ({event_loop.where(task).partition(' in ')[0]})"


def _name(code):
    return str(getattr(code, "__qualname__", None) or type(code).__name__)[:_MAX_NAME]
