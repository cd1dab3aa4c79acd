//! The time that a task has for the calls of others.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// The time after which a task begins no further calls for members whose sessions rest.
const MAX_DRAIN_TIME: Duration = Duration::from_millis(1);

/// Calls between two readings of the clock, which takes a part of the time of a short call.
const CALLS_PER_CLOCK_READING: usize = 8;

/// The time that a task has for the calls of members whose sessions rest.
pub(crate) struct DrainBudget {
    end: Instant,
    call_count: Cell<usize>,
    is_exhausted: Cell<bool>,
}

impl DrainBudget {
    pub(crate) fn new() -> Self {
        let end = Instant::now() + MAX_DRAIN_TIME;
        Self { end, call_count: Cell::new(0), is_exhausted: Cell::new(false) }
    }

    /// Counts calls.
    pub(crate) fn count_calls(&self, count: usize) {
        let count = self.call_count.get() + count;
        self.call_count.set(count % CALLS_PER_CLOCK_READING);
        if count >= CALLS_PER_CLOCK_READING {
            self.is_exhausted.set(Instant::now() >= self.end);
        }
    }

    /// Whether the time is over.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.is_exhausted.get()
    }
}
