//! Whether the calls of a version run on guest threads.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use narrowboat_core::manifest::ExecutionMode;

/// Calls under a tick that bring a version back to the fast lane.
const FAST_STREAK_LENGTH: u32 = 1_000;

/// Which lane a version's calls take.
#[derive(Debug)]
pub(crate) struct ExecutionModeState {
    configured: ExecutionMode,
    is_slow: AtomicBool,
    /// Calls in a row that did not pass a tick.
    fast_streak: AtomicU32,
}

impl ExecutionModeState {
    pub(crate) fn new(configured: ExecutionMode) -> Self {
        let is_slow = AtomicBool::new(configured == ExecutionMode::Thread);
        Self { configured, is_slow, fast_streak: AtomicU32::new(0) }
    }

    /// Whether the next call belongs on a guest thread.
    pub(crate) fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Relaxed)
    }

    /// Notes whether a call ran past a tick.
    pub(crate) fn record_call(&self, overran: bool) {
        if overran {
            self.fast_streak.store(0, Ordering::Relaxed);
            self.is_slow.store(true, Ordering::Relaxed);
        } else if self.is_slow() && self.configured == ExecutionMode::Auto {
            let streak = self.fast_streak.fetch_add(1, Ordering::Relaxed) + 1;
            if streak >= FAST_STREAK_LENGTH {
                self.fast_streak.store(0, Ordering::Relaxed);
                self.is_slow.store(false, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_long_call_changes_the_lane_and_a_good_streak_changes_it_back() {
        let lane = ExecutionModeState::new(ExecutionMode::Auto);
        assert!(!lane.is_slow());
        lane.record_call(true);
        assert!(lane.is_slow());
        for _ in 0..FAST_STREAK_LENGTH {
            assert!(lane.is_slow());
            lane.record_call(false);
        }
        assert!(!lane.is_slow());
    }

    #[test]
    fn a_plugin_that_asks_for_the_slow_lane_stays_there() {
        let lane = ExecutionModeState::new(ExecutionMode::Thread);
        for _ in 0..=FAST_STREAK_LENGTH {
            lane.record_call(false);
        }
        assert!(lane.is_slow());
    }
}
