//! Counts of the runs of a schedule.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of the runs of a schedule by this host, since the host started.
#[derive(Debug, Default)]
pub struct ScheduleCounters {
    succeeded: AtomicU64,
    failed: AtomicU64,
    abandoned: AtomicU64,
    missed: AtomicU64,
    store_errors: AtomicU64,
}

impl ScheduleCounters {
    pub(crate) fn record_attempt(&self, is_success: bool) {
        let counter = if is_success { &self.succeeded } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn record_abandoned(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn record_missed(&self, count: usize) {
        self.missed.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn record_store_error(&self) {
        self.store_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts of runs, each with the label of its result: attempts that succeeded and failed, runs that were given
    /// up after the last attempt, and runs that no host started in time.
    pub fn runs(&self) -> [(&'static str, u64); 4] {
        [
            ("succeeded", self.succeeded.load(Ordering::Relaxed)),
            ("failed", self.failed.load(Ordering::Relaxed)),
            ("abandoned", self.abandoned.load(Ordering::Relaxed)),
            ("missed", self.missed.load(Ordering::Relaxed)),
        ]
    }

    /// The runs that no host started in time, as far as this host has found them.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// The operations of the key-value store that failed.
    pub fn store_errors(&self) -> u64 {
        self.store_errors.load(Ordering::Relaxed)
    }
}
