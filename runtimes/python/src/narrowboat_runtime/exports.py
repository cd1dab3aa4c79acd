"""The functions of the interfaces that the runtime exports."""

from componentize_py_types import Err, Ok
from wit_world.exports.batches import Event_Handle, Event_Receive
from wit_world.exports.runtime import Program
from wit_world.imports.batch_progress import end_event
from wit_world.imports.narrowboat_consumer_types import Handling

from . import alarms, compiler, failure, loader, log, worker
from .problems import make_problem
from .state import restoring, saving
from .testing import collection, runner


class Websocket:
    """The interface `websocket`. Its resource `consumer` is `connection.Connection`."""

    def save_module(self, mode):
        """Saves the changed globals and all consumers as one graph."""
        return saving.save_module(mode)

    def load_module(self, saved):
        """Restores the globals and the attributes of the consumers."""
        restoring.load_module(saved)


class Batches:
    """The interface `batches`: several events of consumers in one call."""

    def run(self, events):
        """Handles events in order, until the host says that no further one follows."""
        for consumer, event in events:
            if not end_event(handle_event(consumer, event)):
                return


def handle_event(consumer, event):
    """Handles an event, and returns its result."""
    try:
        match event:
            case Event_Receive(frame):
                consumer.receive(frame)
            case Event_Handle(message):
                return Ok(consumer.handle(message))
            case _:
                consumer.timer(event.value)
    except Err as error:
        return error
    return Ok(Handling.HANDLED)


class Alarms:
    """The interface `alarms`."""

    def alarm(self):
        """Handles the alarm of the room."""
        alarms.handle()


class Worker:
    """The interface `worker`."""

    def handle(self, channel, message):
        """Handles a message of a channel."""
        return worker.handle(channel, message)


class Runtime:
    """The interface `runtime`."""

    def compile(self, files, entries):
        """Compiles the files of a plugin."""
        try:
            program = compiler.compile_plugin(files, entries)
        except compiler.ProblemsFound as error:
            raise Err(error.args[0]) from None
        finally:
            log.flush()
        return Program(program.dump(), program.consumer is not None, program.worker is not None)

    def load(self, code):
        """Loads a program into this instance."""
        try:
            loader.load(code)
        except compiler.ProblemsFound as error:
            raise Err(error.args[0]) from None
        finally:
            log.flush()


class Tests:
    """The interface `tests`."""

    def collect(self, files):
        """Loads the files of a plugin with those of its tests, and lists the tests."""
        try:
            return collection.collect(files)
        except compiler.ProblemsFound as error:
            raise Err(error.args[0]) from None
        except BaseException as error:
            failure.report(error)
            raise Err([make_problem(failure.describe(error))]) from None
        finally:
            log.flush()

    def run(self, name):
        """Runs a test."""
        try:
            return runner.run(name)
        finally:
            log.flush()
