//! Counters of the outcomes of deploys.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often each outcome occurred since the host started.
#[derive(Debug, Default)]
pub struct DeployCounters {
    published: AtomicU64,
    refused: AtomicU64,
    rolled_back: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeployCounts {
    /// Versions that became live.
    pub published: u64,
    /// Versions that were refused.
    pub refused: u64,
    /// Versions that were live and were rolled back for their faults.
    pub rolled_back: u64,
}

impl DeployCounters {
    /// Returns the current counts.
    pub fn snapshot(&self) -> DeployCounts {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        DeployCounts {
            published: load(&self.published),
            refused: load(&self.refused),
            rolled_back: load(&self.rolled_back),
        }
    }

    pub(super) fn count_published(&self) {
        self.published.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_rolled_back(&self) {
        self.rolled_back.fetch_add(1, Ordering::Relaxed);
    }
}
