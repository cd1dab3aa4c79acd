//! So much a second: the generic cell rate algorithm (ITU-T I.371), of which what is above the rate is paid for later.
//! Ours, and no crate's, since what is counted has happened already — a frame was read, a guest has run — and since
//! the rate may change.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A second's worth may be used at once.
const BURST_NANOS: u64 = 1_000_000_000;

/// No rate.
const UNLIMITED: u64 = 0;

/// Moments are counted from here, in nanoseconds.
static CLOCK_START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A rate, and what has been used of it.
#[derive(Debug, Default)]
pub(super) struct RateLimiter {
    /// Units a second.
    rate: AtomicU64,
    /// When all that was used will be paid for.
    theoretical_arrival: AtomicU64,
}

impl RateLimiter {
    /// Has another rate from now on; `None` is no bound.
    pub(super) fn set_rate(&self, rate: Option<u64>) {
        let rate = rate.unwrap_or(UNLIMITED);
        if self.rate.swap(rate, Ordering::Relaxed) != rate {
            self.theoretical_arrival.store(0, Ordering::Relaxed);
        }
    }

    /// Whether there is a rate.
    pub(super) fn is_limited(&self) -> bool {
        self.rate.load(Ordering::Relaxed) != UNLIMITED
    }

    /// Units a second, if there is a rate.
    pub(super) fn rate(&self) -> Option<u64> {
        Some(self.rate.load(Ordering::Relaxed)).filter(|rate| *rate != UNLIMITED)
    }

    /// Uses so many units, whether or not there are so many.
    pub(super) fn consume(&self, units: u64) {
        self.consume_at(units, now_nanos());
    }

    /// How long it takes until a unit may be used; `None` if one may now.
    pub(super) fn wait_time(&self) -> Option<Duration> {
        self.wait_time_at(now_nanos())
    }

    fn consume_at(&self, units: u64, now: u64) {
        let rate = self.rate.load(Ordering::Relaxed);
        if rate == UNLIMITED {
            return;
        }
        let cost = u128::from(units) * u128::from(BURST_NANOS) / u128::from(rate);
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        let later = |paid_at: u64| Some(paid_at.max(now).saturating_add(cost));
        let _ = self.theoretical_arrival.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
    }

    fn wait_time_at(&self, now: u64) -> Option<Duration> {
        if self.rate.load(Ordering::Relaxed) == UNLIMITED {
            return None;
        }
        let ahead = self.theoretical_arrival.load(Ordering::Relaxed).saturating_sub(now);
        let wait = ahead.checked_sub(BURST_NANOS)?;
        (wait > 0).then(|| Duration::from_nanos(wait))
    }
}

/// Nanoseconds since the first call.
pub(super) fn now_nanos() -> u64 {
    u64::try_from(CLOCK_START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_seconds_worth_is_free_and_the_rest_is_waited_for() {
        let bucket = RateLimiter::default();
        bucket.set_rate(Some(10));
        bucket.consume_at(10, SECOND);
        assert_eq!(bucket.wait_time_at(SECOND), None);
        bucket.consume_at(5, SECOND);
        assert_eq!(bucket.wait_time_at(SECOND), Some(Duration::from_millis(500)));
        assert_eq!(bucket.wait_time_at(SECOND + SECOND / 2), None);
    }

    #[test]
    fn what_was_not_used_is_not_saved_beyond_a_second() {
        let bucket = RateLimiter::default();
        bucket.set_rate(Some(10));
        bucket.consume_at(21, 100 * SECOND);
        assert!(
            bucket.wait_time_at(100 * SECOND).is_some_and(|wait| wait > Duration::from_secs(1))
        );
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let bucket = RateLimiter::default();
        bucket.consume(u64::MAX);
        assert_eq!(bucket.wait_time(), None);
    }
}
