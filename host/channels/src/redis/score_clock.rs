//! The clock for scores in Redis.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The smallest difference of two scores: twice the precision of a float of this size.
const MIN_SCORE_STEP: f64 = 1.0 / (1 << 21) as f64;

/// If the system clock was set back by more than this, the scores follow it.
const CLOCK_RESET_SECONDS: f64 = 1.0;

/// A clock in seconds since 1970, as in the scores of channels_redis. No two scores are equal, so that the messages of
/// one process keep their order in a sorted set.
#[derive(Default)]
pub(super) struct ScoreClock {
    last_score: Mutex<f64>,
}

impl ScoreClock {
    /// Returns the system's time, moved on as far as a test has moved on tokio's time.
    pub(super) fn now(&self) -> f64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let moved = Instant::now().into_std().saturating_duration_since(std::time::Instant::now());
        (since + moved).as_secs_f64()
    }

    /// Returns the score of a message that is sent now.
    pub(super) fn next_score(&self) -> f64 {
        let now = self.now();
        let mut last = self.last_score.lock().unwrap_or_else(PoisonError::into_inner);
        *last = if now > *last || now < *last - CLOCK_RESET_SECONDS {
            now
        } else {
            *last + MIN_SCORE_STEP
        };
        *last
    }

    /// Returns the remaining lifetime of a message, by the score that its sender gave it, or `None` if it has expired.
    ///
    /// `max_wait` is the longest time that the message can have waited, if known. The message is at most as old,
    /// whatever its score: clocks differ, and a process of Django Channels, which ignores scores, would receive it too.
    pub(super) fn remaining_lifetime(
        &self,
        score: f64,
        lifetime: Duration,
        max_wait: Option<Duration>,
    ) -> Option<Duration> {
        // A sender's clock that is ahead does not extend the lifetime.
        let age = Duration::try_from_secs_f64((self.now() - score).max(0.0)).unwrap_or(lifetime);
        let age = max_wait.map_or(age, |max_wait| age.min(max_wait));
        lifetime.checked_sub(age).filter(|remaining| !remaining.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn remaining(seconds_ago: f64, max_wait: Option<u64>) -> Option<u64> {
        let clock = ScoreClock::default();
        let remaining = clock.remaining_lifetime(
            clock.now() - seconds_ago,
            MINUTE,
            max_wait.map(Duration::from_secs),
        );
        remaining.map(|remaining| remaining.as_secs_f64().round() as u64)
    }

    #[test]
    fn message_expires_by_its_score_if_its_wait_is_unknown() {
        assert_eq!(
            [0.0, 20.0, 61.0, -90.0].map(|ago| remaining(ago, None)),
            [Some(60), Some(40), None, Some(60)]
        );
    }

    #[test]
    fn message_is_not_older_than_its_wait_whatever_its_score() {
        assert_eq!(remaining(61.0, Some(5)), Some(55));
        assert_eq!(remaining(86_400.0, Some(0)), Some(60));
        assert_eq!(remaining(-86_400.0, Some(5)), Some(60));
        assert_eq!(remaining(2.0, Some(50)), Some(58));
        assert_eq!(remaining(61.0, Some(61)), None);
    }
}
