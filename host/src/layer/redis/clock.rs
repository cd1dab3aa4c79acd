//! The time that messages are ordered by.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// How far apart two scores are at least: what a float of this size can tell, twice.
const STEP: f64 = 1.0 / (1 << 21) as f64;

/// A clock that has been set back by more than this is followed.
const SET_BACK: f64 = 1.0;

/// Seconds since 1970, as channels_redis scores messages and members. No two scores are the same, so that what one
/// process sends keeps its order in a sorted set.
#[derive(Default)]
pub(super) struct Clock {
    last: Mutex<f64>,
}

impl Clock {
    /// The time now: the system's, which may be set, moved on where tokio's has been moved on.
    pub(super) fn now(&self) -> f64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let moved = Instant::now().into_std().saturating_duration_since(std::time::Instant::now());
        (since + moved).as_secs_f64()
    }

    /// A score for a message that is sent now.
    pub(super) fn score(&self) -> f64 {
        let now = self.now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = if now > *last || now < *last - SET_BACK { now } else { *last + STEP };
        *last
    }

    /// How long something lasts from now on that was scored then; `None` if it is over.
    pub(super) fn left(&self, score: f64, lasts: Duration) -> Option<Duration> {
        let left = score + lasts.as_secs_f64() - self.now();
        // A clock elsewhere that is ahead makes nothing last longer.
        (left > 0.0).then(|| Duration::try_from_secs_f64(left).unwrap_or(lasts).min(lasts))
    }
}
