//! How often bounds were reached, and when the log was last told of each.

use std::sync::atomic::{AtomicU64, Ordering};

use super::limit_kind::{LIMIT_KINDS, LimitKind};

/// The log is told of a bound once in this time, in nanoseconds.
pub(super) const LOG_INTERVAL_NANOS: u64 = 60_000_000_000;

/// Counts by bound.
#[derive(Debug, Default)]
pub(super) struct LimitHitCounters {
    counts: [AtomicU64; LIMIT_KINDS.len()],
    /// When the log may be told again, in nanoseconds from some moment.
    next_log_at: [AtomicU64; LIMIT_KINDS.len()],
}

impl LimitHitCounters {
    /// Counts that a bound was reached; whether the log is to be told.
    pub(super) fn record_hit(&self, bound: LimitKind, now: u64) -> bool {
        self.counts[bound as usize].fetch_add(1, Ordering::Relaxed);
        let next = |tell_at: u64| (now >= tell_at).then(|| now.saturating_add(LOG_INTERVAL_NANOS));
        let tell_at = &self.next_log_at[bound as usize];
        tell_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// How often a bound was reached.
    pub(super) fn hit_count(&self, bound: LimitKind) -> u64 {
        self.counts[bound as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_told_of_each_bound_at_once_and_then_once_a_minute() {
        let reached = LimitHitCounters::default();
        let count = |now: u64| reached.record_hit(LimitKind::Connections, now);
        assert!(count(5) && !count(6) && !count(5 + LOG_INTERVAL_NANOS - 1));
        assert!(reached.record_hit(LimitKind::Instances, 7));
        assert!(count(5 + LOG_INTERVAL_NANOS) && !count(6 + LOG_INTERVAL_NANOS));
        assert_eq!(
            (reached.hit_count(LimitKind::Connections), reached.hit_count(LimitKind::Instances)),
            (5, 1)
        );
    }
}
