"""Runs a test."""

import asyncio
import contextvars
import traceback
import unittest
import warnings

from wit_world.exports.tests import Failure, Outcome_Failed, Outcome_Passed, Outcome_Skipped

from .. import deadline, event_loop
from ..event_loop import LOOP, OWNER
from . import cases, collection, report
from .clock import TestClock
from .fixtures import FixtureValues, call
from .outcomes import Skipped

#: How often a test may wait for time, so that a task which repeats does not hide that the test waits for ever.
_MAX_WAITS = 20_000

#: How often a task that catches CancelledError and waits again is cancelled.
_MAX_ATTEMPTS = 3


def run(name):
    """Runs a test and returns its outcome."""
    item = collection.items.get(name)
    if item is None:
        return Outcome_Failed(Failure(f"there is no test with the name {name}", None, None, None, ""))
    if item.skip_reason is not None:
        return Outcome_Skipped(item.skip_reason)
    deadline.name_test()
    try:
        errors = TestRun(item).run()
    except BaseException as error:
        errors = [error]
    failures = [error for error in errors if not isinstance(error, (Skipped, unittest.SkipTest))]
    if failures:
        return Outcome_Failed(report.make_failure(failures[0], failures[1:], item))
    return Outcome_Skipped(str(errors[0])) if errors else Outcome_Passed()


class TestRun:
    """One run of a test, on a clock of its own."""

    def __init__(self, item):
        self._item = item
        self._clock = TestClock()
        #: How often the test has waited for time.
        self._waits = 0
        self._is_cancelled = False
        #: The exceptions of the test and of the end of its fixtures, in their order.
        self._errors = []
        self._show_warning = warnings.showwarning

    def run(self):
        """Runs the test. Returns its exceptions."""
        before = event_loop.enter()
        LOOP.time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always", RuntimeWarning)
                warnings.showwarning = self._see_warning
                self._run_in_loop()
        finally:
            event_loop.leave(before)
            LOOP.ready.clear()
        return self._errors

    def _run_in_loop(self):
        context = contextvars.copy_context()
        context.run(OWNER.set, self._clock)
        task = event_loop.start_task(self._run_item(), context)
        self._run_until_done(task)
        self._cancel_tasks()

    async def _run_item(self):
        """Runs the test between the start and the end of its fixtures."""
        values = None
        try:
            test_object = cases.make_object(self._item)
            values = FixtureValues(collection.fixture_layers_of(self._item), test_object, self._item.parameters)
            await values.start_automatic()
            await self._run_function(test_object, values)
        except BaseException as error:
            self._keep(error)
        if values is not None:
            for error in await values.end():
                self._keep(error)

    async def _run_function(self, test_object, values):
        if cases.is_case(test_object):
            await cases.run_case(test_object)
            return
        function = self._item.function
        if test_object is not None:
            function = getattr(test_object, function.__name__)
        await call(function, **await values.arguments_of(function))

    def _keep(self, error):
        # The cancellation of a test follows an error that is there already.
        if not (self._is_cancelled and isinstance(error, asyncio.CancelledError)):
            self._errors.append(error)

    def _run_until_done(self, task):
        """Runs the loop until the test has ended, and cancels a test that never ends."""
        for _ in range(_MAX_ATTEMPTS):
            reason = self._run_while_ready(task)
            if reason is None:
                return
            if not self._is_cancelled:
                self._errors.append(report.TestProblem(reason, report.stack_of(event_loop.waiting_frames(task))))
            self._is_cancelled = True
            task.cancel()
        self._run_while_ready(task)

    def _run_while_ready(self, task):
        """Runs the loop, and the clock while the test waits for time. Returns why the test cannot end, or None."""
        while True:
            LOOP.run()
            if task.done():
                return None
            delay = self._clock.next_delay()
            if delay is None:
                return "the test waits for something that never comes"
            self._waits += 1
            if self._waits > _MAX_WAITS:
                return f"the test has waited {_MAX_WAITS} times for time, and still waits"
            self._clock.advance(delay)

    def _cancel_tasks(self):
        """Cancels the tasks that the test has left behind."""
        for _ in range(_MAX_ATTEMPTS):
            for task in list(self._clock.tasks):
                task.cancel()
            LOOP.run()

    def _see_warning(self, message, category, filename, lineno, file=None, line=None):
        """Makes a forgotten `await` fail the test, because an assertion about a coroutine always holds."""
        if category is RuntimeWarning and str(message).endswith("was never awaited"):
            stack = traceback.StackSummary.from_list([(filename, lineno, self._item.function.__name__, None)])
            self._errors.append(report.TestProblem(f"{message}: write await in front of the call", stack))
        else:
            self._show_warning(message, category, filename, lineno, file, line)
