//! How often bounds were reached, and when the log was last told of each.

use std::sync::atomic::{AtomicU64, Ordering};

use super::bound::{BOUNDS, Bound};

/// The log is told of a bound once in this time, in nanoseconds.
pub(super) const TOLD_ONCE_IN: u64 = 60_000_000_000;

/// Counts by bound.
#[derive(Debug, Default)]
pub(super) struct Reached {
    counts: [AtomicU64; BOUNDS.len()],
    /// When the log may be told again, in nanoseconds from some moment.
    tell_at: [AtomicU64; BOUNDS.len()],
}

impl Reached {
    /// Counts that a bound was reached; whether the log is to be told.
    pub(super) fn count(&self, bound: Bound, now: u64) -> bool {
        self.counts[bound as usize].fetch_add(1, Ordering::Relaxed);
        let next = |tell_at: u64| (now >= tell_at).then(|| now.saturating_add(TOLD_ONCE_IN));
        let tell_at = &self.tell_at[bound as usize];
        tell_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// How often a bound was reached.
    pub(super) fn get(&self, bound: Bound) -> u64 {
        self.counts[bound as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_told_of_each_bound_at_once_and_then_once_a_minute() {
        let reached = Reached::default();
        let count = |now: u64| reached.count(Bound::Connections, now);
        assert!(count(5) && !count(6) && !count(5 + TOLD_ONCE_IN - 1));
        assert!(reached.count(Bound::Instances, 7));
        assert!(count(5 + TOLD_ONCE_IN) && !count(6 + TOLD_ONCE_IN));
        assert_eq!((reached.get(Bound::Connections), reached.get(Bound::Instances)), (5, 1));
    }
}
