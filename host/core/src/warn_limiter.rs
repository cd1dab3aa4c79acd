//! A limiter of repeated warnings.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The shortest time between two warnings about one cause, unless the limiter has an interval of its own.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);

/// Allows one warning about each cause in an interval, and counts the suppressed ones.
///
/// An entry of a cause is never removed, so causes must come from the code, not from a client or a guest.
#[derive(Debug)]
pub struct WarnLimiter<C = &'static str> {
    interval: Duration,
    causes: Mutex<HashMap<C, CauseState>>,
}

#[derive(Debug)]
struct CauseState {
    warned_at: Instant,
    /// Warnings that were suppressed since then.
    suppressed: u64,
}

impl<C> Default for WarnLimiter<C> {
    fn default() -> Self {
        Self::new(DEFAULT_INTERVAL)
    }
}

impl<C> WarnLimiter<C> {
    /// Creates a limiter that allows one warning about each cause in an interval.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self { interval, causes: Mutex::default() }
    }
}

impl<C: Eq + Hash> WarnLimiter<C> {
    /// Returns `None` if a warning about this cause has to be suppressed. Otherwise returns how many were suppressed
    /// since the last one.
    pub fn try_acquire(&self, cause: C) -> Option<u64> {
        self.try_acquire_at(cause, Instant::now())
    }

    /// As [`WarnLimiter::try_acquire`] at a given time.
    pub fn try_acquire_at(&self, cause: C, now: Instant) -> Option<u64> {
        let mut causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(state) = causes.get_mut(&cause) else {
            causes.insert(cause, CauseState { warned_at: now, suppressed: 0 });
            return Some(0);
        };
        if now.saturating_duration_since(state.warned_at) < self.interval {
            state.suppressed += 1;
            return None;
        }
        state.warned_at = now;
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_allowed_once_in_an_interval_with_the_count_of_suppressed_warnings() {
        let limiter = WarnLimiter::default();
        let start = Instant::now();
        let at_start = |cause| limiter.try_acquire_at(cause, start);
        assert_eq!(["a", "a", "a"].map(at_start), [Some(0), None, None]);
        assert_eq!(at_start("b"), Some(0));
        let later = start + DEFAULT_INTERVAL;
        assert_eq!(["a", "a"].map(|cause| limiter.try_acquire_at(cause, later)), [Some(2), None]);
        assert_eq!(limiter.try_acquire_at("b", later), Some(0));
    }
}
