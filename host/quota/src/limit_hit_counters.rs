//! Counters of reached limits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::limit_kind::{LIMIT_KINDS, LimitKind};

/// The shortest time between two warnings about one limit.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

/// How often each limit of a node was reached, and when the next warning about it is due. Every refused connection
/// counts here, so there is no lock.
#[derive(Debug)]
pub(crate) struct LimitHitCounters {
    started_at: Instant,
    hits: [LimitHits; LIMIT_KINDS.len()],
}

#[derive(Debug, Default)]
struct LimitHits {
    count: AtomicU64,
    /// `count` at the last warning.
    count_at_warning: AtomicU64,
    /// Nanoseconds from `started_at` until the next warning is due.
    next_warning: AtomicU64,
}

impl Default for LimitHitCounters {
    fn default() -> Self {
        Self { started_at: Instant::now(), hits: Default::default() }
    }
}

impl LimitHitCounters {
    /// Counts that a limit was reached. Returns `None` unless a warning is due, and otherwise how often the limit was
    /// reached without a warning since the last one.
    pub(crate) fn record_hit(&self, kind: LimitKind) -> Option<u64> {
        self.record_hit_at(kind, Instant::now())
    }

    fn record_hit_at(&self, kind: LimitKind, now: Instant) -> Option<u64> {
        let hits = &self.hits[kind as usize];
        let count = hits.count.fetch_add(1, Ordering::Relaxed) + 1;
        let now = nanoseconds(now.saturating_duration_since(self.started_at));
        let interval = nanoseconds(WARN_INTERVAL);
        let next = |due: u64| (now >= due).then(|| now.saturating_add(interval));
        hits.next_warning.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        let before = hits.count_at_warning.swap(count, Ordering::Relaxed);
        Some(count.saturating_sub(before + 1))
    }

    /// Returns how often a limit was reached.
    pub(crate) fn hit_count(&self, kind: LimitKind) -> u64 {
        self.hits[kind as usize].count.load(Ordering::Relaxed)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
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
