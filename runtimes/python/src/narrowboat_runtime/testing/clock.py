"""The clock of a test. It stands still until the test advances it or waits for time."""

import heapq
import itertools

from .. import event_loop
from ..event_loop import LOOP
from .host_request import request


class TestClock:
    """The tasks and the timers of a test. It stands where the event loop expects a connection, as their owner."""

    def __init__(self):
        self.tasks = set()
        #: The timers in their order: when they are due in milliseconds, a number, and the timer.
        self._timers = []
        self._numbers = itertools.count()
        #: The milliseconds since the test began.
        self._now = 0

    def get_tasks(self):
        """Returns the set of the tasks that the test has started."""
        return self.tasks

    def arm_timer(self, timer, delay):
        """Sets a timer, in milliseconds."""
        timer.timer_id = next(self._numbers)
        heapq.heappush(self._timers, (self._now + delay, timer.timer_id, timer))

    def forget_timer(self, timer):
        """Does nothing: a timer that was cancelled is left out when it is due."""

    def next_delay(self):
        """Returns the milliseconds until the next timer, or None if there is none."""
        while self._timers and self._timers[0][2]._cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] - self._now if self._timers else None

    def advance(self, milliseconds):
        """Advances the clock of the host and of the test. The timers that are due become ready."""
        request("advance", milliseconds=milliseconds)
        LOOP.now = LOOP.time() + milliseconds / 1000
        self._now += milliseconds
        while self._timers and self._timers[0][0] <= self._now:
            timer = heapq.heappop(self._timers)[2]
            if not timer._cancelled:
                LOOP.ready.append(timer)


def current():
    """Returns the clock of the test that runs. Raises RuntimeError outside a test."""
    clock = event_loop.OWNER.get()
    if not isinstance(clock, TestClock):
        raise RuntimeError("no test runs: only `narrowboat test` advances a clock")
    return clock
