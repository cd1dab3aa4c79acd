//! Whether the calls of a version run on guest threads.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use narrowboat_core::manifest::ExecutionMode;

/// Consecutive calls shorter than a tick after which the calls of a version run on the task of the socket again.
const FAST_STREAK_LENGTH: u32 = 1_000;

/// Whether the calls of a version run on guest threads.
#[derive(Debug)]
pub(crate) struct ExecutionModeState {
    configured: ExecutionMode,
    is_slow: AtomicBool,
    /// Consecutive calls that were shorter than a tick.
    fast_streak: AtomicU32,
    /// Whether a call has ever waited in an import for a tick or longer.
    has_waited: AtomicBool,
}

impl ExecutionModeState {
    pub(crate) fn new(configured: ExecutionMode) -> Self {
        let is_slow = AtomicBool::new(configured == ExecutionMode::Thread);
        Self {
            configured,
            is_slow,
            fast_streak: AtomicU32::new(0),
            has_waited: AtomicBool::new(false),
        }
    }

    /// Whether the next call runs on a guest thread.
    pub(crate) fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Relaxed)
    }

    /// Whether a call has ever waited in an import for a tick or longer.
    pub(crate) fn has_waited(&self) -> bool {
        self.has_waited.load(Ordering::Relaxed)
    }

    /// Records that a call has waited in an import for a tick or longer.
    pub(crate) fn record_wait(&self) {
        self.has_waited.store(true, Ordering::Relaxed);
    }

    /// Records whether a call ran longer than a tick.
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
    fn one_long_call_makes_a_version_slow_and_a_streak_of_short_calls_makes_it_fast() {
        let mode = ExecutionModeState::new(ExecutionMode::Auto);
        assert!(!mode.is_slow());
        mode.record_call(true);
        assert!(mode.is_slow());
        for _ in 0..FAST_STREAK_LENGTH {
            assert!(mode.is_slow());
            mode.record_call(false);
        }
        assert!(!mode.is_slow());
    }

    #[test]
    fn a_version_with_thread_mode_stays_slow() {
        let mode = ExecutionModeState::new(ExecutionMode::Thread);
        for _ in 0..=FAST_STREAK_LENGTH {
            mode.record_call(false);
        }
        assert!(mode.is_slow());
    }
}
