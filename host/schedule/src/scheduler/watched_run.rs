//! The run of another host, which may die.

use std::time::Duration;

use tokio::time::Instant;

use crate::run_record::ClaimedRun;

/// The time without a heartbeat after which the host of a run has died.
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// The pause between two readings of the run of another host.
pub(super) const POLL_PAUSE: Duration = Duration::from_secs(10);

/// The run of another host, as it was when its last heartbeat was seen.
pub(super) struct WatchedRun {
    run: ClaimedRun,
    seen_at: Instant,
}

impl WatchedRun {
    /// A run whose heartbeat is seen now.
    pub(super) fn new(run: ClaimedRun) -> Self {
        Self { run, seen_at: Instant::now() }
    }

    /// Whether the run is as it was.
    pub(super) fn is_at(&self, run: &ClaimedRun) -> bool {
        self.run == *run
    }

    /// Whether the host of the run has died.
    pub(super) fn has_died(&self) -> bool {
        self.seen_at.elapsed() >= LEASE
    }
}
