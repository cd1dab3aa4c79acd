//! How much a new version may fail before it is rolled back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use narrowboat_config::RollbackPolicy;
use narrowboat_runtime::{ClientCount, EventCounts, Version};

/// The rest between two looks at a version that no fault asked for.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// A version in its window. Its clients are told apart until this is dropped.
pub(super) struct CanaryWindow {
    pub(super) version: Arc<Version>,
    /// The one to go back to.
    pub(super) previous: Arc<Version>,
    budget: ErrorBudget,
    ends_at: Instant,
}

/// Faults that are too many.
#[derive(Debug, Clone, Copy)]
struct ErrorBudget {
    faults_per_thousand: u32,
    min_events: u64,
    min_clients: u64,
    clients_per_hundred: u64,
    /// How the version before fared, in all its life.
    baseline: VersionCounts,
}

/// What is known of a version.
#[derive(Debug, Clone, Copy, Default)]
struct VersionCounts {
    /// Events that clients' connections brought.
    clients: EventCounts,
    /// Messages that workers handled.
    workers: EventCounts,
}

impl VersionCounts {
    fn from_version(version: &Version) -> Self {
        let (all, workers) =
            (version.stats().event_counts(), version.stats().worker_event_counts());
        // Read one after the other while both grow.
        let events = all.events.saturating_sub(workers.events);
        let faults = all.faults.saturating_sub(workers.faults);
        Self { clients: EventCounts { events, faults }, workers }
    }
}

impl Drop for CanaryWindow {
    fn drop(&mut self) {
        self.version.stats().stop_client_tracking();
    }
}

impl CanaryWindow {
    pub(super) fn new(
        version: Arc<Version>,
        previous: Arc<Version>,
        rollback: RollbackPolicy,
    ) -> Self {
        let budget = ErrorBudget {
            faults_per_thousand: rollback.faults_per_thousand,
            min_events: rollback.min_events,
            min_clients: rollback.min_clients,
            clients_per_hundred: rollback.clients_per_hundred,
            baseline: VersionCounts::from_version(&previous),
        };
        Self { version, previous, budget, ends_at: Instant::now() + rollback.window.duration() }
    }

    /// Waits until the window is over, false, or the budget is spent, true.
    pub(super) async fn wait_for_end(&self) -> bool {
        while !self.is_budget_spent() {
            let now = Instant::now();
            if now >= self.ends_at {
                return false;
            }
            tokio::select! {
                () = self.version.stats().wait_for_fault() => {}
                // Events without a fault may complete the sample.
                () = tokio::time::sleep_until(self.ends_at.min(now + CHECK_INTERVAL)) => {}
            }
        }
        true
    }

    fn is_budget_spent(&self) -> bool {
        let (now, tally) = (VersionCounts::from_version(&self.version), self.version.stats());
        self.budget.is_spent_by_workers(now)
            || (self.budget.fails_too_often(now.clients, self.budget.baseline.clients)
                && self.budget.affects_enough_clients(tally.client_count()))
    }

    /// What it has done, for the log.
    pub(super) fn describe_counts(&self) -> String {
        let EventCounts { events, faults } = self.version.stats().event_counts();
        let ClientCount { clients, failed } = self.version.stats().client_count();
        format!("{faults} faults in {events} events, seen by {failed} of {clients} clients")
    }
}

impl ErrorBudget {
    /// Whether workers alone fail too often. A message that they handle has no client of which one could ask whether others
    /// saw the same.
    fn is_spent_by_workers(&self, now: VersionCounts) -> bool {
        self.fails_too_often(now.workers, self.baseline.workers)
    }

    fn fails_too_often(&self, now: EventCounts, before: EventCounts) -> bool {
        let Self { faults_per_thousand, min_events, .. } = *self;
        let thousandfold = u128::from(now.faults) * 1_000;
        let allowed = u128::from(now.events) * u128::from(faults_per_thousand);
        now.events >= min_events && thousandfold > allowed && !is_not_worse_than(now, before)
    }

    /// Whether so many clients saw a fault that it is not their doing.
    fn affects_enough_clients(&self, count: ClientCount) -> bool {
        let hundredfold = u128::from(count.failed) * 100;
        count.failed >= self.min_clients
            && hundredfold >= u128::from(count.clients) * u128::from(self.clients_per_hundred)
    }
}

/// Whether a version fails at most twice as often as the one before: what clients provoke in both
/// is not the new one's doing.
fn is_not_worse_than(now: EventCounts, before: EventCounts) -> bool {
    let (events, faults) = (u128::from(now.events), u128::from(now.faults));
    before.events > 0
        && faults * u128::from(before.events) <= 2 * u128::from(before.faults) * events
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: EventCounts = EventCounts { events: 0, faults: 0 };

    const BUDGET: ErrorBudget = ErrorBudget {
        faults_per_thousand: 5,
        min_events: 200,
        min_clients: 3,
        clients_per_hundred: 50,
        baseline: VersionCounts { clients: NOTHING, workers: NOTHING },
    };

    fn fails(events: u64, faults: u64) -> bool {
        BUDGET.fails_too_often(EventCounts { events, faults }, NOTHING)
    }

    fn enough(clients: u64, failed: u64) -> bool {
        BUDGET.affects_enough_clients(ClientCount { clients, failed })
    }

    #[test]
    fn few_events_say_nothing() {
        assert!(!fails(199, 199));
        assert!(fails(200, 2));
    }

    #[test]
    fn faults_within_the_rate_are_borne() {
        assert!(!fails(1_000, 5));
        assert!(fails(1_000, 6));
        assert!(!fails(1_000_000, 0));
    }

    #[test]
    fn a_version_no_worse_than_the_one_before_stays() {
        let before = EventCounts { events: 10_000, faults: 500 };
        assert!(!BUDGET.fails_too_often(EventCounts { events: 1_000, faults: 100 }, before));
        assert!(BUDGET.fails_too_often(EventCounts { events: 1_000, faults: 101 }, before));
    }

    #[test]
    fn few_clients_say_nothing() {
        assert!(!enough(2, 2));
        assert!(enough(3, 3));
    }

    #[test]
    fn a_version_that_most_clients_are_well_served_by_stays() {
        assert!(!enough(7, 3));
        assert!(enough(6, 3));
        assert!(!enough(1_000, 499));
    }

    #[test]
    fn workers_are_held_against_workers() {
        let workers = EventCounts { events: 200, faults: 2 };
        assert!(BUDGET.is_spent_by_workers(VersionCounts { clients: NOTHING, workers }));
        let clients = EventCounts { events: 200, faults: 200 };
        assert!(!BUDGET.is_spent_by_workers(VersionCounts { clients, workers: NOTHING }));
    }
}
