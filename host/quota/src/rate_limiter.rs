//! A rate limiter: the generic cell rate algorithm (ITU-T I.371) with debt.
//!
//! No crate fits, because usage is counted after it happened (a frame was read, a guest has run) and may exceed the
//! rate, and because the rate changes at run time.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A second in nanoseconds.
const SECOND_NANOS: u64 = 1_000_000_000;

/// The stored rate that means no limit.
const UNLIMITED: u64 = 0;

/// The origin of the clock of [`now_nanos`].
static CLOCK_START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A rate, and the usage that counts against it. By default it counts units a second.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    /// The period of the rate, in nanoseconds. The units of one period may be used at once.
    period: u64,
    /// Units in a period.
    rate: AtomicU64,
    /// The time at which the rate has covered all usage, in nanoseconds of [`now_nanos`].
    theoretical_arrival: AtomicU64,
}

impl Default for RateLimiter {
    fn default() -> Self {
        Self::with_period(SECOND_NANOS)
    }
}

impl RateLimiter {
    /// A limiter of units a minute.
    pub(crate) fn per_minute() -> Self {
        Self::with_period(60 * SECOND_NANOS)
    }

    fn with_period(period: u64) -> Self {
        Self { period, rate: AtomicU64::new(UNLIMITED), theoretical_arrival: AtomicU64::new(0) }
    }

    /// Replaces the rate; `None` is no limit. A changed rate forgets earlier usage.
    pub(crate) fn set_rate(&self, rate: Option<u64>) {
        let rate = rate.unwrap_or(UNLIMITED);
        if self.rate.swap(rate, Ordering::Relaxed) != rate {
            self.theoretical_arrival.store(0, Ordering::Relaxed);
        }
    }

    /// Whether a rate is set.
    pub(crate) fn is_limited(&self) -> bool {
        self.rate.load(Ordering::Relaxed) != UNLIMITED
    }

    /// The units in a period, if a rate is set.
    pub(crate) fn rate(&self) -> Option<u64> {
        Some(self.rate.load(Ordering::Relaxed)).filter(|rate| *rate != UNLIMITED)
    }

    /// Counts `units` as used, even above the rate.
    pub(crate) fn consume(&self, units: u64) {
        self.consume_at(units, now_nanos());
    }

    /// Returns the time until another unit may be used; `None` if one may be used now.
    pub(crate) fn wait_time(&self) -> Option<Duration> {
        self.wait_time_at(now_nanos())
    }

    /// Returns the time until another whole unit fits into the period; `None` if it fits now. Unlike with
    /// [`RateLimiter::wait_time`], no more than the units of one period pass at once.
    pub(crate) fn wait_time_for_unit(&self) -> Option<Duration> {
        self.wait_time_for_unit_at(now_nanos())
    }

    fn wait_time_for_unit_at(&self, now: u64) -> Option<Duration> {
        self.wait_time_beside(self.cost(1)?, now)
    }

    /// The part of the rate that `units` take, in nanoseconds; `None` without a rate.
    fn cost(&self, units: u64) -> Option<u64> {
        let cost = u128::from(units) * u128::from(self.period) / u128::from(self.rate()?);
        Some(u64::try_from(cost).unwrap_or(u64::MAX))
    }

    fn consume_at(&self, units: u64, now: u64) {
        let Some(cost) = self.cost(units) else { return };
        let advance = |arrival: u64| Some(arrival.max(now).saturating_add(cost));
        let _ =
            self.theoretical_arrival.fetch_update(Ordering::Relaxed, Ordering::Relaxed, advance);
    }

    fn wait_time_at(&self, now: u64) -> Option<Duration> {
        if self.is_limited() { self.wait_time_beside(0, now) } else { None }
    }

    /// The time until the usage so far and `cost` fit into the period.
    fn wait_time_beside(&self, cost: u64, now: u64) -> Option<Duration> {
        let ahead = self.theoretical_arrival.load(Ordering::Relaxed).saturating_sub(now);
        let wait = ahead.saturating_add(cost).checked_sub(self.period)?;
        (wait > 0).then(|| Duration::from_nanos(wait))
    }
}

/// Returns the nanoseconds since the first call.
fn now_nanos() -> u64 {
    u64::try_from(CLOCK_START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn one_second_of_units_is_free_and_more_has_to_wait() {
        let limiter = RateLimiter::default();
        limiter.set_rate(Some(10));
        limiter.consume_at(10, SECOND);
        assert_eq!(limiter.wait_time_at(SECOND), None);
        limiter.consume_at(5, SECOND);
        assert_eq!(limiter.wait_time_at(SECOND), Some(Duration::from_millis(500)));
        assert_eq!(limiter.wait_time_at(SECOND + SECOND / 2), None);
    }

    #[test]
    fn unused_units_are_saved_for_one_second_only() {
        let limiter = RateLimiter::default();
        limiter.set_rate(Some(10));
        limiter.consume_at(21, 100 * SECOND);
        assert!(
            limiter.wait_time_at(100 * SECOND).is_some_and(|wait| wait > Duration::from_secs(1))
        );
    }

    #[test]
    fn a_limiter_of_a_minute_allows_the_units_of_a_minute_at_once() {
        let limiter = RateLimiter::per_minute();
        limiter.set_rate(Some(6));
        limiter.consume_at(6, SECOND);
        assert_eq!(limiter.wait_time_at(SECOND), None);
        limiter.consume_at(1, SECOND);
        assert_eq!(limiter.wait_time_at(SECOND), Some(Duration::from_secs(10)));
    }

    #[test]
    fn no_more_than_the_whole_units_of_a_period_fit_at_once() {
        for rate in [1, 2, 7, 30] {
            let limiter = RateLimiter::per_minute();
            limiter.set_rate(Some(rate));
            for _ in 0..rate {
                assert_eq!(limiter.wait_time_for_unit_at(SECOND), None, "{rate}");
                limiter.consume_at(1, SECOND);
            }
            let wait = limiter.wait_time_for_unit_at(SECOND).unwrap();
            assert!(wait <= Duration::from_secs(60) / u32::try_from(rate).unwrap(), "{wait:?}");
            let later = SECOND + u64::try_from(wait.as_nanos()).unwrap();
            assert_eq!(limiter.wait_time_for_unit_at(later), None);
        }
    }

    #[test]
    fn a_limiter_without_a_rate_never_waits() {
        let limiter = RateLimiter::default();
        limiter.consume(u64::MAX);
        assert_eq!(limiter.wait_time(), None);
    }
}
