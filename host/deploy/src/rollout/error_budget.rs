//! How often a new version may fail before it is rolled back.

use narrowboat_config::RollbackPolicy;
use narrowboat_runtime::{ClientCount, EventCounts, Version};

/// The faults that a version may cause: the settings of `[plugins.NAME.rollback]`, and the version before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ErrorBudget {
    faults_per_thousand: u32,
    min_events: u64,
    min_clients: u64,
    clients_per_hundred: u64,
    /// The counts of the previous version, since it was loaded.
    baseline: VersionCounts,
}

/// The events and faults of a version.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct VersionCounts {
    /// Events of clients' connections.
    clients: EventCounts,
    /// Messages that workers handled.
    workers: EventCounts,
}

impl VersionCounts {
    /// Reads the counts of a version.
    pub(super) fn from_version(version: &Version) -> Self {
        let (all, workers) =
            (version.stats().event_counts(), version.stats().worker_event_counts());
        // Both counts grow while they are read, so the difference could be negative.
        let events = all.events.saturating_sub(workers.events);
        let faults = all.faults.saturating_sub(workers.faults);
        Self { clients: EventCounts { events, faults }, workers }
    }
}

impl ErrorBudget {
    pub(super) fn new(policy: &RollbackPolicy, baseline: VersionCounts) -> Self {
        Self {
            faults_per_thousand: policy.faults_per_thousand,
            min_events: policy.min_events,
            min_clients: policy.min_clients,
            clients_per_hundred: policy.clients_per_hundred,
            baseline,
        }
    }

    /// Whether a version has failed too often: for its workers, or for its clients' connections if enough clients saw a
    /// fault.
    pub(super) fn is_spent(&self, counts: VersionCounts, clients: ClientCount) -> bool {
        self.is_spent_by_workers(counts)
            || (self.fails_too_often(counts.clients, self.baseline.clients)
                && self.affects_enough_clients(clients))
    }

    /// Whether the workers alone fail too often. Their messages belong to no client, so the number of clients does not
    /// matter.
    fn is_spent_by_workers(&self, counts: VersionCounts) -> bool {
        self.fails_too_often(counts.workers, self.baseline.workers)
    }

    fn fails_too_often(&self, now: EventCounts, before: EventCounts) -> bool {
        let Self { faults_per_thousand, min_events, .. } = *self;
        let thousandfold = u128::from(now.faults) * 1_000;
        let allowed = u128::from(now.events) * u128::from(faults_per_thousand);
        now.events >= min_events && thousandfold > allowed && !is_not_worse_than(now, before)
    }

    /// Whether so many clients saw a fault that the version is the cause, and not a few clients.
    fn affects_enough_clients(&self, count: ClientCount) -> bool {
        let hundredfold = u128::from(count.failed) * 100;
        count.failed >= self.min_clients
            && hundredfold >= u128::from(count.clients) * u128::from(self.clients_per_hundred)
    }
}

/// Whether a version fails at most twice as often as the version before it. Faults that clients provoke in both versions
/// are not the fault of the new one.
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
    fn a_version_is_not_judged_below_min_events() {
        assert!(!fails(199, 199));
        assert!(fails(200, 2));
    }

    #[test]
    fn faults_within_the_rate_are_tolerated() {
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
    fn a_version_is_not_judged_below_min_clients() {
        assert!(!enough(2, 2));
        assert!(enough(3, 3));
    }

    #[test]
    fn a_version_without_faults_for_most_clients_stays() {
        assert!(!enough(7, 3));
        assert!(enough(6, 3));
        assert!(!enough(1_000, 499));
    }

    #[test]
    fn worker_faults_count_without_clients() {
        let workers = EventCounts { events: 200, faults: 2 };
        assert!(BUDGET.is_spent_by_workers(VersionCounts { clients: NOTHING, workers }));
        let clients = EventCounts { events: 200, faults: 200 };
        assert!(!BUDGET.is_spent_by_workers(VersionCounts { clients, workers: NOTHING }));
    }
}
