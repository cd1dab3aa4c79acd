//! So much a second: the generic cell rate algorithm (ITU-T I.371), of which what is above the rate is paid for later.
//! Ours, and no crate's, since what is counted has happened already — a frame was read, a guest has run — and since
//! the rate may change.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A second's worth may be used at once.
const BURST: u64 = 1_000_000_000;

/// No rate.
const ENDLESS: u64 = 0;

/// Moments are counted from here, in nanoseconds.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A rate, and what has been used of it.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// Units a second.
    rate: AtomicU64,
    /// When all that was used will be paid for.
    paid_at: AtomicU64,
}

impl Bucket {
    /// Has another rate from now on; `None` is no bound.
    pub(super) fn set(&self, rate: Option<u64>) {
        let rate = rate.unwrap_or(ENDLESS);
        if self.rate.swap(rate, Ordering::Relaxed) != rate {
            self.paid_at.store(0, Ordering::Relaxed);
        }
    }

    /// Whether there is a rate.
    pub(super) fn is_bounded(&self) -> bool {
        self.rate.load(Ordering::Relaxed) != ENDLESS
    }

    /// Units a second, if there is a rate.
    pub(super) fn rate(&self) -> Option<u64> {
        Some(self.rate.load(Ordering::Relaxed)).filter(|rate| *rate != ENDLESS)
    }

    /// Uses so many units, whether or not there are so many.
    pub(super) fn take(&self, units: u64) {
        self.take_at(units, now());
    }

    /// How long it takes until a unit may be used; `None` if one may now.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.wait_at(now())
    }

    fn take_at(&self, units: u64, now: u64) {
        let rate = self.rate.load(Ordering::Relaxed);
        if rate == ENDLESS {
            return;
        }
        let cost = u128::from(units) * u128::from(BURST) / u128::from(rate);
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        let later = |paid_at: u64| Some(paid_at.max(now).saturating_add(cost));
        let _ = self.paid_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
    }

    fn wait_at(&self, now: u64) -> Option<Duration> {
        if self.rate.load(Ordering::Relaxed) == ENDLESS {
            return None;
        }
        let ahead = self.paid_at.load(Ordering::Relaxed).saturating_sub(now);
        let wait = ahead.checked_sub(BURST)?;
        (wait > 0).then(|| Duration::from_nanos(wait))
    }
}

/// Nanoseconds since the first call.
pub(super) fn now() -> u64 {
    u64::try_from(BEGINNING.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_seconds_worth_is_free_and_the_rest_is_waited_for() {
        let bucket = Bucket::default();
        bucket.set(Some(10));
        bucket.take_at(10, SECOND);
        assert_eq!(bucket.wait_at(SECOND), None);
        bucket.take_at(5, SECOND);
        assert_eq!(bucket.wait_at(SECOND), Some(Duration::from_millis(500)));
        assert_eq!(bucket.wait_at(SECOND + SECOND / 2), None);
    }

    #[test]
    fn what_was_not_used_is_not_saved_beyond_a_second() {
        let bucket = Bucket::default();
        bucket.set(Some(10));
        bucket.take_at(21, 100 * SECOND);
        assert!(bucket.wait_at(100 * SECOND).is_some_and(|wait| wait > Duration::from_secs(1)));
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let bucket = Bucket::default();
        bucket.take(u64::MAX);
        assert_eq!(bucket.wait(), None);
    }
}
