//! The counters of instances that were restarted after a trap.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of the instances of a plugin that went on after a trap or a time-out, since the host started.
#[derive(Debug, Default)]
pub struct RestartCounters {
    restarts: AtomicU64,
    lost_events: AtomicU64,
}

impl RestartCounters {
    /// Instances that went on with the state of a checkpoint.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Events since those checkpoints, which are lost. The events that trapped are among them.
    pub fn lost_events(&self) -> u64 {
        self.lost_events.load(Ordering::Relaxed)
    }

    pub(super) fn record(&self, lost_events: u64) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
        self.lost_events.fetch_add(lost_events, Ordering::Relaxed);
    }
}
