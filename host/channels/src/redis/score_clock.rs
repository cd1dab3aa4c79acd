//! The time that messages are ordered by.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// How far apart two scores are at least: what a float of this size can tell, twice.
const MIN_SCORE_STEP: f64 = 1.0 / (1 << 21) as f64;

/// A clock that has been set back by more than this is followed.
const CLOCK_RESET_SECONDS: f64 = 1.0;

/// Seconds since 1970, as channels_redis scores messages and members. No two scores are the same, so that what one
/// process sends keeps its order in a sorted set.
#[derive(Default)]
pub(super) struct ScoreClock {
    last_score: Mutex<f64>,
}

impl ScoreClock {
    /// The time now: the system's, which may be set, moved on where tokio's has been moved on.
    pub(super) fn now(&self) -> f64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let moved = Instant::now().into_std().saturating_duration_since(std::time::Instant::now());
        (since + moved).as_secs_f64()
    }

    /// A score for a message that is sent now.
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

    /// How long a message lasts from now on that was scored then, by the clock of its sender; `None` if it is over.
    ///
    /// Where it is known how long it has waited at most, it is no older than that, whatever its score: clocks differ, and
    /// a process of Channels, which looks at no score of what it takes, hears it as well.
    pub(super) fn remaining_lifetime(
        &self,
        score: f64,
        lasts: Duration,
        waited: Option<Duration>,
    ) -> Option<Duration> {
        // A clock elsewhere that is ahead makes nothing last longer.
        let age = Duration::try_from_secs_f64((self.now() - score).max(0.0)).unwrap_or(lasts);
        let age = waited.map_or(age, |waited| age.min(waited));
        lasts.checked_sub(age).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn left(seconds_ago: f64, waited: Option<u64>) -> Option<u64> {
        let clock = ScoreClock::default();
        let left = clock.remaining_lifetime(
            clock.now() - seconds_ago,
            MINUTE,
            waited.map(Duration::from_secs),
        );
        left.map(|left| left.as_secs_f64().round() as u64)
    }

    #[test]
    fn a_message_expires_by_its_score_where_nothing_else_is_known_of_its_age() {
        assert_eq!(
            [0.0, 20.0, 61.0, -90.0].map(|ago| left(ago, None)),
            [Some(60), Some(40), None, Some(60)]
        );
    }

    #[test]
    fn a_message_that_just_came_is_as_young_as_that_whatever_the_clock_of_its_sender() {
        assert_eq!(left(61.0, Some(5)), Some(55));
        assert_eq!(left(86_400.0, Some(0)), Some(60));
        assert_eq!(left(-86_400.0, Some(5)), Some(60));
        assert_eq!(left(2.0, Some(50)), Some(58));
        assert_eq!(left(61.0, Some(61)), None);
    }
}
