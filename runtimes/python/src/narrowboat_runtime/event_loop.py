"""An event loop that runs within the calls of the host.

A call of the host is a step: it runs until nothing is ready. Waiting for time needs a timer of the host, and a timer
belongs to a connection, so each task has an owner.
"""

import asyncio
import collections
import contextvars
import sys
import time
from asyncio import events, tasks

from . import failure, plugin_importer

#: The consumer to whose connection new tasks and timers belong. It is part of a task's context.
OWNER = contextvars.ContextVar("narrowboat_owner", default=None)

#: The most tasks that one connection may have.
MAX_TASKS = 10_000

_HAS_EAGER_TASKS = sys.version_info >= (3, 12)
_MAX_DELAY_MS = 0xFFFF_FFFF

_get_running_loop = events._get_running_loop
_set_running_loop = events._set_running_loop
_monotonic = time.monotonic
_Task = asyncio.Task
_Handle = asyncio.Handle


class HostTimer(asyncio.TimerHandle):
    """A callback that a timer of the host runs."""

    __slots__ = ("owner", "timer_id")


class StepLoop(asyncio.AbstractEventLoop):
    """The loop. It never blocks: what is not ready at the end of a step waits for a later call of the host."""

    def __init__(self):
        self.ready = collections.deque()
        #: The time of the step. The clock of the host may be coarse, so it does not advance within a step.
        self.now = None

    def run(self):
        """Runs callbacks until none is ready."""
        ready = self.ready
        while ready:
            handle = ready.popleft()
            if not handle._cancelled:
                try:
                    handle._run()
                except (SystemExit, KeyboardInterrupt):
                    # The task has the exception too, and its end reports it.
                    pass

    def call_soon(self, callback, *args, context=None):
        handle = _Handle(callback, args, self, context)
        self.ready.append(handle)
        return handle

    def call_soon_threadsafe(self, callback, *args, context=None):
        return self.call_soon(callback, *args, context=context)

    def call_later(self, delay, callback, *args, context=None):
        return self._arm(delay, self.time() + delay, callback, args, context)

    def call_at(self, when, callback, *args, context=None):
        return self._arm(when - self.time(), when, callback, args, context)

    def _arm(self, delay, when, callback, args, context):
        timer = HostTimer(when, callback, args, self, context)
        if delay <= 0:
            timer.owner = None
            self.ready.append(timer)
            return timer
        owner = timer.owner = OWNER.get()
        if owner is None:
            # Without a connection there is no timer, and code that waits for it is refused at the end of the step.
            return timer
        owner.arm_timer(timer, min(max(1, int(delay * 1000 + 0.999)), _MAX_DELAY_MS))
        return timer

    def _timer_handle_cancelled(self, timer):
        if timer.owner is not None:
            timer.owner.forget_timer(timer)

    def time(self):
        if self.now is None:
            self.now = _monotonic()
        return self.now

    def create_future(self):
        return asyncio.Future(loop=self)

    def create_task(self, coro, *, name=None, context=None, **_):
        owner = OWNER.get() if context is None else context.get(OWNER)
        group = DETACHED if owner is None else owner.get_tasks()
        if len(group) >= MAX_TASKS:
            coro.close()
            raise RuntimeError(f"a connection may have {MAX_TASKS} tasks")
        return self.adopt(_Task(coro, loop=self, name=name, context=context), group)

    def adopt(self, task, group):
        """Keeps a task in a group until it ends, and reports its exception if nothing else does."""
        group.add(task)
        task.add_done_callback(group.discard)
        task.add_done_callback(_check_exception)
        return task

    def run_in_executor(self, executor, func, *args):
        future = self.create_future()
        try:
            future.set_result(call_outside_loop(func, *args))
        except Exception as error:
            future.set_exception(error)
        return future

    def call_exception_handler(self, context):
        error = context.get("exception")
        message = context.get("message") or "a callback failed"
        if error is None:
            failure.log_text(message)
        else:
            failure.report(error, message)

    default_exception_handler = call_exception_handler

    def get_exception_handler(self):
        return None

    def get_debug(self):
        return False

    def set_debug(self, enabled):
        pass

    def is_running(self):
        return _get_running_loop() is self

    def is_closed(self):
        return False

    def get_task_factory(self):
        return None

    async def shutdown_asyncgens(self):
        pass

    async def shutdown_default_executor(self, timeout=None):
        pass

    def run_until_complete(self, future):
        return run_to_end(future)

    def run_forever(self):
        raise RuntimeError("the host runs the event loop")

    def stop(self):
        raise RuntimeError("the host runs the event loop")

    def close(self):
        raise RuntimeError("the host runs the event loop")


LOOP = StepLoop()

#: The tasks without an owner. They end with the call of `run_to_end` that made them.
DETACHED = set()


def _check_exception(task):
    """Reports the exception of a task that nothing retrieves within the step."""
    if not task.cancelled() and task._log_traceback:
        LOOP.call_soon(_report_exception, task)


def _report_exception(task):
    if task._log_traceback and not LOOP.ready:
        failure.report(task.exception(), f"the task {task.get_name()} failed")
    elif task._log_traceback:
        LOOP.call_soon(_report_exception, task)


def start_task(coroutine, context):
    """Starts a task and runs it until it waits. Other callbacks do not run yet."""
    if _HAS_EAGER_TASKS:
        try:
            return _Task(coroutine, loop=LOOP, context=context, eager_start=True)
        except (SystemExit, KeyboardInterrupt) as error:
            return _failed_future(error)
    task = _Task(coroutine, loop=LOOP, context=context)
    while LOOP.ready and not task.done() and task.get_coro().cr_await is None:
        handle = LOOP.ready.popleft()
        try:
            if not handle._cancelled:
                handle._run()
        except (SystemExit, KeyboardInterrupt):
            pass
    return task


def _failed_future(error):
    future = LOOP.create_future()
    future.set_exception(_Ended(error))
    return future


class _Ended(Exception):
    """Stands for SystemExit or KeyboardInterrupt, which a future cannot have."""

    def __init__(self, error):
        super().__init__(error)
        self.error = error


def original_exception(error):
    """Returns the exception that the plugin's code raised."""
    return error.error if isinstance(error, _Ended) else error


def enter():
    """Makes the loop the running one. Returns a value for `leave`."""
    before = _get_running_loop()
    _set_running_loop(LOOP)
    return before


def leave(before):
    """Undoes `enter`."""
    _set_running_loop(before)
    if before is None:
        LOOP.now = None


def call_outside_loop(func, *args, **kwargs):
    """Calls a function as on a thread without a loop, so that it may use `async_to_sync`."""
    loop = _get_running_loop()
    if loop is None:
        return func(*args, **kwargs)
    task = tasks.current_task(loop)
    if task is not None:
        tasks._leave_task(loop, task)
    _set_running_loop(None)
    try:
        return func(*args, **kwargs)
    finally:
        _set_running_loop(loop)
        if task is not None:
            tasks._enter_task(loop, task)


async def _await(awaitable):
    return await awaitable


def run_to_end(awaitable, cannot_nest="the event loop runs already: use await"):
    """Runs an awaitable within this step and returns its result.

    Raises RuntimeError if it would have to wait for time or for another event.
    """
    coroutine = awaitable if asyncio.iscoroutine(awaitable) else _await(awaitable)
    if _get_running_loop() is not None:
        coroutine.close()
        raise RuntimeError(cannot_nest)
    before = enter()
    try:
        task = start_task(coroutine, contextvars.copy_context())
        if not task.done():
            LOOP.run()
        if not task.done():
            _refuse_to_wait(task)
        try:
            return task.result()
        except _Ended as ended:
            raise ended.error from None
    finally:
        cancel_detached()
        leave(before)


def _refuse_to_wait(task):
    place = where(task)
    task.cancel()
    LOOP.run()
    raise RuntimeError(
        f"async_to_sync would have to wait, which a synchronous function cannot do ({place}): use an AsyncConsumer"
    )


def cancel_detached():
    """Cancels the tasks without an owner."""
    if DETACHED:
        for task in list(DETACHED):
            task.cancel()
        LOOP.run()
        DETACHED.clear()


def where(task):
    """Returns the innermost line at which a task waits, such as `consumers.py:12 in receive`."""
    frames = waiting_frames(task)
    if not frames:
        return "an unknown line"
    code = frames[-1].f_code
    return f"{code.co_filename}:{frames[-1].f_lineno} in {code.co_name}"


def waiting_frames(task):
    """Returns the frames of the plugin in which a task waits, the innermost last."""
    frames = []
    awaitable = task.get_coro()
    while awaitable is not None:
        frame = getattr(awaitable, "cr_frame", None) or getattr(awaitable, "gi_frame", None)
        if frame is None:
            break
        if plugin_importer.is_plugin_file(frame.f_code.co_filename):
            frames.append(frame)
        awaitable = getattr(awaitable, "cr_await", None) or getattr(awaitable, "gi_yieldfrom", None)
    return frames
