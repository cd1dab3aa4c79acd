//! How a version has fared: the calls it got and those that failed.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Counts a version's events and faults, and tells whoever watches it of each fault.
#[derive(Debug, Default)]
pub struct Tally {
    events: AtomicU64,
    faults: AtomicU64,
    fault: Notify,
}

/// A tally at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Handshakes, frames, messages and timers that were brought to guests.
    pub events: u64,
    /// Those that ended in a trap, a time-out or an error.
    pub faults: u64,
}

impl Tally {
    pub(super) fn event(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn fault(&self) {
        self.faults.fetch_add(1, Ordering::Relaxed);
        self.fault.notify_one();
    }

    /// The counts now.
    pub fn count(&self) -> Count {
        // Faults first: each was counted as an event before it failed.
        let faults = self.faults.load(Ordering::Relaxed);
        Count { events: self.events.load(Ordering::Relaxed), faults }
    }

    /// Waits for the next fault; one that nobody waited for counts.
    pub async fn faulted(&self) {
        self.fault.notified().await;
    }
}
