//! The mark of an instance at a moment.

use std::sync::atomic::{AtomicU64, Ordering};

/// The last number of an instance.
static LAST_NUMBER: AtomicU64 = AtomicU64::new(0);

/// An instance, and the number of its events at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceMark {
    number: u64,
    events: u64,
}

/// A number that no other instance of the process has had.
pub(super) fn next_instance_number() -> u64 {
    LAST_NUMBER.fetch_add(1, Ordering::Relaxed)
}

impl InstanceMark {
    /// Whether the mark is one of this instance, and the events that it had handled by then.
    pub(super) fn events_of(self, number: u64) -> Option<u64> {
        (self.number == number).then_some(self.events)
    }

    pub(super) fn new(number: u64, events: u64) -> Self {
        Self { number, events }
    }

    /// The events of the instance since `earlier`; all of them, if that is a mark of another instance.
    pub fn events_since(self, earlier: Option<Self>) -> u64 {
        let before = earlier.filter(|earlier| earlier.number == self.number);
        self.events.saturating_sub(before.map_or(0, |earlier| earlier.events))
    }
}
