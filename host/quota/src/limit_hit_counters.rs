//! Counters of reached limits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use narrowboat_core::warn_limiter::WarnLimiter;

use crate::limit_kind::{LIMIT_KINDS, LimitKind};

/// The shortest time between two warnings about one limit.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

/// How often each limit of a node was reached.
#[derive(Debug)]
pub(crate) struct LimitHitCounters {
    counts: [AtomicU64; LIMIT_KINDS.len()],
    warn_limiter: WarnLimiter<LimitKind>,
}

impl Default for LimitHitCounters {
    fn default() -> Self {
        Self { counts: Default::default(), warn_limiter: WarnLimiter::new(WARN_INTERVAL) }
    }
}

impl LimitHitCounters {
    /// Counts that a limit was reached. As [`WarnLimiter::try_acquire`], returns `None` unless a warning is due.
    pub(crate) fn record_hit(&self, kind: LimitKind) -> Option<u64> {
        self.record_hit_at(kind, Instant::now())
    }

    fn record_hit_at(&self, kind: LimitKind, now: Instant) -> Option<u64> {
        self.counts[kind as usize].fetch_add(1, Ordering::Relaxed);
        self.warn_limiter.try_acquire_at(kind, now)
    }

    /// Returns how often a limit was reached.
    pub(crate) fn hit_count(&self, kind: LimitKind) -> u64 {
        self.counts[kind as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_due_for_each_limit_at_once_and_then_once_a_minute() {
        let counters = LimitHitCounters::default();
        let start = Instant::now();
        let hit = |after: Duration| counters.record_hit_at(LimitKind::Connections, start + after);
        let second = Duration::from_secs(1);
        assert_eq!([Duration::ZERO, second, 59 * second].map(hit), [Some(0), None, None]);
        assert_eq!(counters.record_hit_at(LimitKind::Instances, start + second), Some(0));
        assert_eq!([60 * second, 61 * second].map(hit), [Some(2), None]);
        let counts =
            [LimitKind::Connections, LimitKind::Instances].map(|it| counters.hit_count(it));
        assert_eq!(counts, [5, 1]);
    }
}
