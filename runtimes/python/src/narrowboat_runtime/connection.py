"""A connection and its consumer. Calls of the host become events of ASGI, and the consumer handles one at a time."""

import collections
import contextvars
import inspect

from channels.consumer import NoHandler, get_handler_name
from channels.exceptions import StopConsumer
from componentize_py_types import Err
from wit_world.exports.websocket import Decision_Accept, Decision_Later, Refusal_Plugin, Refusal_Rejection
from wit_world.imports.narrowboat_consumer_types import (
    ClientError,
    Error_Client,
    Error_Plugin,
    Frame_Text,
    Handling,
    Rejection,
)

from . import connection_code, event_loop, failure, handshake, instance, log
from .blame import close_frame_of
from .event_loop import LOOP, OWNER
from .message_pack import unpackb
from .outgoing import CONNECTING, OPEN, STOPPED, OutgoingMessages
from .scope import Scope

#: The most events of a connection that wait until a handler has ended.
MAX_WAITING_EVENTS = 1_000

_NO_TASKS = frozenset()
_HANDLED = Handling.HANDLED
_UNKNOWN_TYPE = Handling.UNKNOWN_TYPE
_pending_output = log._pending

#: The connections whose handlers have failed in the step that runs.
_failed = []


class Connection(OutgoingMessages):
    """The connection of a consumer. It is the resource `consumer` of the contract."""

    __slots__ = (
        "name", "user", "scope", "replaced", "context", "task", "events", "tasks", "timers", "failure", "extra",
    )  # fmt: skip

    def __init__(self, name, handle):
        super().__init__(handle)
        #: The name of the channel.
        self.name = name
        #: The consumer of the plugin. None after the end of the connection.
        self.user = None
        self.scope = None
        #: The attributes of the runtime that the plugin has replaced.
        self.replaced = None
        #: The context of the handlers, which has the connection as the owner of tasks.
        self.context = None
        #: The handler that waits.
        self.task = None
        #: The events that wait until the handler has ended.
        self.events = None
        #: The other tasks of the connection.
        self.tasks = _NO_TASKS
        #: The timers of the host by their number.
        self.timers = None
        #: The exception of a handler that has ended in this step.
        self.failure = None
        #: The state that a snapshot has, until the consumer is restored.
        self.extra = None

    # The exports of the contract.

    @classmethod
    def connect(cls, scope, connection):
        """Creates the consumer and lets it decide about the handshake."""
        self = cls(connection.channel_name(), connection)
        self.scope = Scope(self._read_scope)
        self.scope.keep_record(scope)
        self.is_connecting = True
        instance.connecting = self
        instance.consumers[self.name] = self
        try:
            create_consumer(self, run_init=True)
            self._dispatch({"type": "websocket.connect"})
            decision = self._take_decision()
        except BaseException as error:
            self._refuse(error)
        else:
            if type(decision) is Rejection:
                self._release()
                raise Err(Refusal_Rejection(decision))
            return self, decision
        finally:
            self.is_connecting = False
            instance.connecting = None
            self.scope.keep_record(None)
            if _pending_output:
                log.flush()

    def receive(self, frame):
        """Handles a frame of the client."""
        try:
            if type(frame) is Frame_Text:
                self._dispatch({"type": "websocket.receive", "text": frame.value})
            else:
                self._dispatch({"type": "websocket.receive", "bytes": frame.value})
        except BaseException as error:
            self._settle(error)
        if _pending_output:
            log.flush()

    def handle(self, message):
        """Handles a message of the channel layer."""
        handling = _HANDLED
        try:
            event = unpackb(message)
            if instance.has_own_dispatch or getattr(self.user, get_handler_name(event), None):
                self._dispatch(event)
            else:
                handling = _UNKNOWN_TYPE
        except NoHandler:
            handling = _UNKNOWN_TYPE
        except BaseException as error:
            self._settle(error)
        if _pending_output:
            log.flush()
        return handling

    def timer(self, id):
        """Runs the callback of a timer."""
        timer = self.timers.pop(id, None) if self.timers else None
        if timer is not None and not timer._cancelled:
            LOOP.ready.append(timer)
            self.run_step()

    def run_step(self, start=None):
        """Runs code of the consumer outside an event. Raises Err if a handler failed."""
        try:
            self._run(start)
        except BaseException as error:
            self._settle(error)
        if _pending_output:
            log.flush()

    def disconnect(self, closure):
        """Handles the end of the connection. A handler that waits is cancelled first, and events that wait are lost."""
        try:
            connection_code.cancel(self)
            self.events = None
            self._dispatch({"type": "websocket.disconnect", "code": closure.code, "reason": closure.reason or None})
            if self.task is not None:
                place = event_loop.where(self.task)
                failure.log_text(f"a handler is cancelled, because it waits after the end of its connection ({place})")
            connection_code.cancel(self)
        except StopConsumer:
            pass
        except BaseException as error:
            failure.report(error)
        finally:
            self._release()
            if _pending_output:
                log.flush()

    # Events.

    def _dispatch(self, event):
        """Handles an event. Raises what the handler raises."""
        user = self.user
        if user is None or self.phase is STOPPED:
            return
        if instance.is_plain_sync:
            handler = getattr(user, get_handler_name(event), None)
            if not handler:
                raise NoHandler("No handler for message type %s" % event["type"])
            handler(event)
        elif self.task is None and not self.events:
            self._run(self._start_handler, event)
        else:
            self._queue_event(event)
            if self.task is None:
                # A move has cancelled the handler, and then failed.
                self._run(self.start_waiting_events)

    def _queue_event(self, event):
        if self.events is None:
            self.events = collections.deque()
        if len(self.events) >= MAX_WAITING_EVENTS:
            place = event_loop.where(self.task) if self.task is not None else "an unknown line"
            raise RuntimeError(f"{MAX_WAITING_EVENTS} events wait for the handler that waits at {place}")
        self.events.append(event)

    def _run(self, start=None, *args):
        """Runs code of the consumer, and then all that is ready."""
        before = event_loop.enter()
        try:
            if start is not None:
                start(*args)
            if LOOP.ready:
                LOOP.run()
        finally:
            event_loop.leave(before)
        if _failed:
            self._raise_failures()

    def _raise_failures(self):
        """Raises the exception of the own handler, and closes other connections whose handlers failed in this step."""
        own = None
        while _failed:
            connection = _failed.pop()
            error, connection.failure = connection.failure, None
            if connection is self:
                own = error
            else:
                connection._close_after(error)
        if own is not None:
            raise own

    def _close_after(self, error):
        try:
            self._settle(error)
        except Err as failed:
            value = failed.value
            if type(value) is Error_Client:
                self.close(value.value.code, value.value.reason)
            elif self.phase is CONNECTING:
                self.reject(handshake.make_rejection(500))
            else:
                # The host closes with 1011 for a code that a plugin may not use, and counts a fault.
                self.close(1011, "")

    def _start_handler(self, event):
        task = event_loop.start_task(self.user.dispatch(event), self.context or self._get_context())
        if task.done():
            if not task.cancelled():
                error = task.exception()
                if error is not None:
                    self._fail(error)
        else:
            self.task = task
            task.add_done_callback(self._handler_ended)

    def _get_context(self):
        if self.context is None:
            self.context = contextvars.copy_context()
            self.context.run(OWNER.set, self)
        return self.context

    def _handler_ended(self, task):
        """Starts the handlers of events that wait."""
        if self.task is not task:
            return
        self.task = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)
        self.start_waiting_events()

    def start_waiting_events(self):
        """Starts the handlers of the events that wait, until one of them waits."""
        while self.events and self.task is None and self.failure is None and self.user is not None:
            self._start_handler(self.events.popleft())

    def run_restored(self, restored):
        """Runs the method `restored` of the consumer. Raises what it raises before it waits."""
        self._run(self._start_restored, restored)

    def _start_restored(self, restored):
        context = self._get_context()
        result = context.run(restored)
        if inspect.iscoroutine(result):
            task = event_loop.start_task(result, context)
            if not task.done():
                LOOP.adopt(task, self.get_tasks())
            elif not task.cancelled() and task.exception() is not None:
                raise event_loop.original_exception(task.exception())

    def _fail(self, error):
        if self.failure is None:
            self.failure = event_loop.original_exception(error)
            _failed.append(self)

    def _settle(self, error):
        """Ends the consumer after StopConsumer, and may reject the handshake. Raises Err for other errors."""
        if _pending_output:
            log.flush()
        if isinstance(error, StopConsumer):
            self._stop()
        elif self.phase is CONNECTING and (rejection := handshake.rejection_of(error)) is not None:
            self.reject(rejection)
        else:
            close_frame = close_frame_of(error)
            if close_frame is not None:
                raise Err(Error_Client(ClientError(*close_frame))) from None
            failure.report(error)
            raise Err(Error_Plugin(failure.describe(error))) from None

    def _stop(self):
        """Ends the consumer. It gets no further events, as in Django Channels."""
        if self.phase is OPEN:
            self.close(1000, "")
        elif self.phase is CONNECTING:
            self.reject(handshake.make_rejection(handshake.FORBIDDEN))
        self.phase = STOPPED

    # The handshake.

    def _take_decision(self):
        """Returns what `connect` decides, or a Rejection."""
        decision = self.decision
        self.decision = None
        if decision is None:
            if self.task is None:
                log.write(log.Level.INFO, "connect", "connect has neither accepted nor closed: the client waits")
            return Decision_Later()
        return decision if type(decision) is Rejection else Decision_Accept(decision)

    def _refuse(self, error):
        """Raises the refusal of a handshake whose consumer failed."""
        refusal = None
        try:
            self._settle(error)
        except Err as settled:
            value = settled.value
            if type(value) is Error_Client:
                refusal = Refusal_Rejection(handshake.make_rejection(400, (), value.value.reason))
            else:
                refusal = Refusal_Plugin(getattr(value, "value", str(value)))
        except Exception as failed:
            failure.report(failed)
            refusal = Refusal_Plugin(failure.describe(failed))
        if refusal is None:
            refusal = Refusal_Rejection(self.decision or handshake.make_rejection(handshake.FORBIDDEN))
        self._release()
        raise Err(refusal) from None

    def _read_scope(self):
        record = self.host.scope() if self.host is not None else None
        if record is None:
            raise RuntimeError("the connection has ended: read self.scope before that")
        return record

    def get_scope(self):
        """Returns the scope."""
        if self.scope is None:
            self.scope = Scope(self._read_scope)
        return self.scope

    def _release(self):
        """Forgets the consumer after the end of its connection."""
        instance.consumers.pop(self.name, None)
        connection_code.cancel(self)
        self.user = None
        self.context = None
        self.host = None

    def on_rejected(self):
        """Forgets the consumer. The host drops it without `disconnect`, so its code is cancelled when it next waits."""
        self.phase = STOPPED
        instance.consumers.pop(self.name, None)
        LOOP.call_soon(connection_code.request_cancellation, self)

    # Tasks and timers, which the event loop asks for.

    def get_tasks(self):
        """Returns the set of the tasks of the connection."""
        if self.tasks is _NO_TASKS:
            self.tasks = set()
        return self.tasks

    def arm_timer(self, timer, delay):
        """Sets a timer of the host, in milliseconds. Raises RuntimeError if the host refuses."""
        if self.host is None:
            raise RuntimeError("the connection has ended, so its code cannot wait for time")
        try:
            timer.timer_id = self.host.set_timer(delay)
        except Err as error:
            raise RuntimeError(f"the host sets no timer: {describe_send_error(error.value)}") from None
        if self.timers is None:
            self.timers = {}
        self.timers[timer.timer_id] = timer

    def forget_timer(self, timer):
        """Clears a timer that was cancelled."""
        if self.timers and self.timers.pop(timer.timer_id, None) is not None and self.host is not None:
            self.host.clear_timer(timer.timer_id)


def describe_send_error(error):
    """Returns the text of an error of the contract."""
    return getattr(error, "value", None) or type(error).__name__.rpartition("_")[2].lower()


def create_consumer(connection, run_init):
    """Creates the plugin's consumer of a connection."""
    user = instance.consumer_class.__new__(instance.consumer_class)
    user._narrowboat = connection
    connection.user = user
    if run_init:
        user.__init__()
    return user
