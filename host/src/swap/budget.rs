//! How much a new version may fail before it is taken back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Rollback;
use crate::plugin::{Count, Version};

/// The rest between two looks at a version that no fault asked for.
const LOOK: Duration = Duration::from_millis(100);

/// A version in its window.
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
    /// How the version before fared, in all its life.
    before: Count,
}

impl Watched {
    pub(super) fn new(version: Arc<Version>, previous: Arc<Version>, rollback: Rollback) -> Self {
        let budget = Budget {
            faults_per_thousand: rollback.faults_per_thousand,
            min_events: rollback.min_events,
            before: previous.tally().count(),
        };
        Self { version, previous, budget, until: Instant::now() + rollback.window.duration() }
    }

    /// Waits until the window is over, false, or the budget is spent, true.
    pub(super) async fn wait(&self) -> bool {
        while !self.budget.is_spent(self.version.tally().count()) {
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

    /// What it has done, for the log.
    pub(super) fn count(&self) -> String {
        let Count { events, faults } = self.version.tally().count();
        format!("{faults} faults in {events} events")
    }
}

impl Budget {
    fn is_spent(&self, now: Count) -> bool {
        let Self { faults_per_thousand, min_events, before } = *self;
        let thousandfold = u128::from(now.faults) * 1_000;
        let allowed = u128::from(now.events) * u128::from(faults_per_thousand);
        now.events >= min_events && thousandfold > allowed && !is_like(now, before)
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

    const BUDGET: Budget =
        Budget { faults_per_thousand: 5, min_events: 200, before: Count { events: 0, faults: 0 } };

    fn count(events: u64, faults: u64) -> Count {
        Count { events, faults }
    }

    #[test]
    fn few_events_say_nothing() {
        assert!(!BUDGET.is_spent(count(199, 199)));
        assert!(BUDGET.is_spent(count(200, 2)));
    }

    #[test]
    fn faults_within_the_rate_are_borne() {
        assert!(!BUDGET.is_spent(count(1_000, 5)));
        assert!(BUDGET.is_spent(count(1_000, 6)));
        assert!(!BUDGET.is_spent(count(1_000_000, 0)));
    }

    #[test]
    fn a_version_no_worse_than_the_one_before_stays() {
        let budget = Budget { before: count(10_000, 500), ..BUDGET };
        assert!(!budget.is_spent(count(1_000, 100)));
        assert!(budget.is_spent(count(1_000, 101)));
    }
}
