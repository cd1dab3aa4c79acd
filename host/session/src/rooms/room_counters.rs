//! The counters of the rooms of a plugin.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of the rooms of a plugin since the host started.
#[derive(Debug, Default)]
pub struct RoomCounters {
    wakes: AtomicU64,
    saves: AtomicU64,
    failed_saves: AtomicU64,
    lost_events: AtomicU64,
    alarms: AtomicU64,
    failed_alarms: AtomicU64,
}

impl RoomCounters {
    /// Rooms that woke with a state.
    pub fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::Relaxed)
    }

    /// States that were written.
    pub fn saves(&self) -> u64 {
        self.saves.load(Ordering::Relaxed)
    }

    /// States that could not be saved.
    pub fn failed_saves(&self) -> u64 {
        self.failed_saves.load(Ordering::Relaxed)
    }

    /// Events of instances that ended before the state after them was saved.
    pub fn lost_events(&self) -> u64 {
        self.lost_events.load(Ordering::Relaxed)
    }

    /// Alarms that a guest has handled.
    pub fn alarms(&self) -> u64 {
        self.alarms.load(Ordering::Relaxed)
    }

    /// Calls for an alarm that have failed.
    pub fn failed_alarms(&self) -> u64 {
        self.failed_alarms.load(Ordering::Relaxed)
    }

    pub(crate) fn record_alarm(&self) {
        self.alarms.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn record_failed_alarm(&self) {
        self.failed_alarms.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn record_wake(&self) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn record_save(&self) {
        self.saves.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn record_failed_save(&self) {
        self.failed_saves.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn record_lost_events(&self, count: u64) {
        self.lost_events.fetch_add(count, Ordering::Relaxed);
    }
}
