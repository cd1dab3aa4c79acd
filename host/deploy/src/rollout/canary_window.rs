//! The rollback window of a version that has just become live.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::error_budget::{ErrorBudget, VersionCounts};
use narrowboat_config::RollbackPolicy;
use narrowboat_runtime::{ClientCount, EventCounts, Version};

/// The time between two checks of a version without a fault.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// A version in its rollback window. The version counts its clients until this is dropped.
pub(super) struct CanaryWindow {
    pub(super) version: Arc<Version>,
    /// The version to roll back to.
    pub(super) previous: Arc<Version>,
    budget: ErrorBudget,
    ends_at: Instant,
}

impl Drop for CanaryWindow {
    fn drop(&mut self) {
        self.version.stats().stop_client_tracking();
    }
}

impl CanaryWindow {
    /// Starts the window of a version.
    pub(super) fn new(
        version: Arc<Version>,
        previous: Arc<Version>,
        rollback: RollbackPolicy,
    ) -> Self {
        let budget = ErrorBudget::new(&rollback, VersionCounts::from_version(&previous));
        Self { version, previous, budget, ends_at: Instant::now() + rollback.window.duration() }
    }

    /// Waits until the window is over, and returns false, or until the error budget is spent, and returns true.
    /// Cancel-safe.
    pub(super) async fn wait_for_end(&self) -> bool {
        while !self.is_budget_spent() {
            let now = Instant::now();
            if now >= self.ends_at {
                return false;
            }
            tokio::select! {
                () = self.version.stats().wait_for_fault() => {}
                // Events without a fault may reach `min_events`.
                () = tokio::time::sleep_until(self.ends_at.min(now + CHECK_INTERVAL)) => {}
            }
        }
        true
    }

    fn is_budget_spent(&self) -> bool {
        let counts = VersionCounts::from_version(&self.version);
        self.budget.is_spent(counts, self.version.stats().client_count())
    }

    /// Describes the events and faults of the version, for the log.
    pub(super) fn describe_counts(&self) -> String {
        let EventCounts { events, faults } = self.version.stats().event_counts();
        let ClientCount { clients, failed } = self.version.stats().client_count();
        format!("{faults} faults in {events} events, seen by {failed} of {clients} clients")
    }
}
