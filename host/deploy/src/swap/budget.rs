//! How much a new version may fail before it is taken back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use narrowboat_config::Rollback;
use narrowboat_runtime::{ClientCount, Count, Version};

/// The rest between two looks at a version that no fault asked for.
const LOOK: Duration = Duration::from_millis(100);

/// A version in its window. Its clients are told apart until this is dropped.
pub(super) struct Watched {
    pub(super) version: Arc<Version>,
    /// The one to go back to.
    pub(super) previous: Arc<Version>,
    budget: Budget,
    until: Instant,
}

/// Faults that are too many.
#[derive(Debug, Clone, Copy)]
struct Budget {
    faults_per_thousand: u32,
    min_events: u64,
    min_clients: u64,
    clients_per_hundred: u64,
    /// How the version before fared, in all its life.
    before: Record,
}

/// What is known of a version.
#[derive(Debug, Clone, Copy, Default)]
struct Record {
    /// Events that clients' connections brought.
    clients: Count,
    /// Messages that workers handled.
    workers: Count,
}

impl Record {
    fn of(version: &Version) -> Self {
        let (all, workers) = (version.tally().count(), version.tally().worker_count());
        // Read one after the other while both grow.
        let events = all.events.saturating_sub(workers.events);
        let faults = all.faults.saturating_sub(workers.faults);
        Self { clients: Count { events, faults }, workers }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.version.tally().end_watch();
    }
}

impl Watched {
    pub(super) fn new(version: Arc<Version>, previous: Arc<Version>, rollback: Rollback) -> Self {
        let budget = Budget {
            faults_per_thousand: rollback.faults_per_thousand,
            min_events: rollback.min_events,
            min_clients: rollback.min_clients,
            clients_per_hundred: rollback.clients_per_hundred,
            before: Record::of(&previous),
        };
        Self { version, previous, budget, until: Instant::now() + rollback.window.duration() }
    }

    /// Waits until the window is over, false, or the budget is spent, true.
    pub(super) async fn wait(&self) -> bool {
        while !self.is_spent() {
            let now = Instant::now();
            if now >= self.until {
                return false;
            }
            tokio::select! {
                () = self.version.tally().faulted() => {}
                // Events without a fault may complete the sample.
                () = tokio::time::sleep_until(self.until.min(now + LOOK)) => {}
            }
        }
        true
    }

    fn is_spent(&self) -> bool {
        let (now, tally) = (Record::of(&self.version), self.version.tally());
        self.budget.is_spent_by_workers(now)
            || (self.budget.fails_too_often(now.clients, self.budget.before.clients)
                && self.budget.has_enough(tally.client_count()))
    }

    /// What it has done, for the log.
    pub(super) fn count(&self) -> String {
        let Count { events, faults } = self.version.tally().count();
        let ClientCount { clients, failed } = self.version.tally().client_count();
        format!("{faults} faults in {events} events, seen by {failed} of {clients} clients")
    }
}

impl Budget {
    /// Whether workers alone fail too often. A message that they handle has no client of which one could ask whether others
    /// saw the same.
    fn is_spent_by_workers(&self, now: Record) -> bool {
        self.fails_too_often(now.workers, self.before.workers)
    }

    fn fails_too_often(&self, now: Count, before: Count) -> bool {
        let Self { faults_per_thousand, min_events, .. } = *self;
        let thousandfold = u128::from(now.faults) * 1_000;
        let allowed = u128::from(now.events) * u128::from(faults_per_thousand);
        now.events >= min_events && thousandfold > allowed && !is_like(now, before)
    }

    /// Whether so many clients saw a fault that it is not their doing.
    fn has_enough(&self, count: ClientCount) -> bool {
        let hundredfold = u128::from(count.failed) * 100;
        count.failed >= self.min_clients
            && hundredfold >= u128::from(count.clients) * u128::from(self.clients_per_hundred)
    }
}

/// Whether a version fails at most twice as often as the one before: what clients provoke in both
/// is not the new one's doing.
fn is_like(now: Count, before: Count) -> bool {
    let (events, faults) = (u128::from(now.events), u128::from(now.faults));
    before.events > 0
        && faults * u128::from(before.events) <= 2 * u128::from(before.faults) * events
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Count = Count { events: 0, faults: 0 };

    const BUDGET: Budget = Budget {
        faults_per_thousand: 5,
        min_events: 200,
        min_clients: 3,
        clients_per_hundred: 50,
        before: Record { clients: NOTHING, workers: NOTHING },
    };

    fn fails(events: u64, faults: u64) -> bool {
        BUDGET.fails_too_often(Count { events, faults }, NOTHING)
    }

    fn enough(clients: u64, failed: u64) -> bool {
        BUDGET.has_enough(ClientCount { clients, failed })
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
        let before = Count { events: 10_000, faults: 500 };
        assert!(!BUDGET.fails_too_often(Count { events: 1_000, faults: 100 }, before));
        assert!(BUDGET.fails_too_often(Count { events: 1_000, faults: 101 }, before));
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
        let workers = Count { events: 200, faults: 2 };
        assert!(BUDGET.is_spent_by_workers(Record { clients: NOTHING, workers }));
        let clients = Count { events: 200, faults: 200 };
        assert!(!BUDGET.is_spent_by_workers(Record { clients, workers: NOTHING }));
    }
}
