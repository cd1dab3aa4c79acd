//! How much guests may say.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Seconds' worth of lines that a version may log in one go.
const BURST_SECONDS: f64 = 5.0;

/// What a version has said, bounded over time.
#[derive(Debug, Default)]
pub(crate) struct LogLimiter {
    /// Lines a second.
    rate: f64,
    budget: Mutex<Option<LogLineBudget>>,
    dropped_lines: AtomicU64,
    /// Whether it has been told that it may say nothing.
    has_warned_denied: AtomicBool,
}

#[derive(Debug)]
struct LogLineBudget {
    tokens: f64,
    refilled_at: Instant,
    /// Whether it has been told that lines are dropped.
    has_warned: bool,
}

/// Whether a line is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogDecision {
    /// It is.
    Log,
    /// It is not, and that has to be told.
    DropAndWarn,
    /// It is not.
    Drop,
}

impl LogLimiter {
    /// So many lines a second for long.
    pub(crate) fn new(rate: u64) -> Self {
        Self { rate: rate as f64, ..Self::default() }
    }

    /// Asks to log a line.
    pub(crate) fn decide(&self) -> LogDecision {
        self.decide_at(Instant::now())
    }

    fn decide_at(&self, now: Instant) -> LogDecision {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let most = self.rate * BURST_SECONDS;
        let budget = budget.get_or_insert(LogLineBudget {
            tokens: most,
            refilled_at: now,
            has_warned: false,
        });
        let passed = now.saturating_duration_since(budget.refilled_at).as_secs_f64();
        budget.tokens = (budget.tokens + passed * self.rate).min(most);
        budget.refilled_at = now;
        if budget.tokens >= 1.0 {
            budget.tokens -= 1.0;
            budget.has_warned &= budget.tokens < most / 2.0;
            return LogDecision::Log;
        }
        self.dropped_lines.fetch_add(1, Ordering::Relaxed);
        if std::mem::replace(&mut budget.has_warned, true) {
            LogDecision::Drop
        } else {
            LogDecision::DropAndWarn
        }
    }

    /// Counts a line of one that may say nothing.
    pub(crate) fn drop_denied_line(&self) -> LogDecision {
        self.dropped_lines.fetch_add(1, Ordering::Relaxed);
        match self.has_warned_denied.swap(true, Ordering::Relaxed) {
            true => LogDecision::Drop,
            false => LogDecision::DropAndWarn,
        }
    }

    /// Lines that came too fast, or were not to be said.
    pub(crate) fn dropped_lines(&self) -> u64 {
        self.dropped_lines.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_is_said_and_then_so_many_a_second() {
        let words = LogLimiter::new(100);
        let now = Instant::now();
        let said = (0..1_000).filter(|_| words.decide_at(now) == LogDecision::Log).count();
        assert_eq!(said, 500);
        let later = now + Duration::from_secs(1);
        let said = (0..1_000).filter(|_| words.decide_at(later) == LogDecision::Log).count();
        assert_eq!(said, 100);
        assert_eq!(words.dropped_lines(), 1_400);
    }

    #[test]
    fn one_that_may_say_nothing_is_told_of_once() {
        let words = LogLimiter::default();
        let sayings: Vec<_> = (0..3).map(|_| words.drop_denied_line()).collect();
        assert_eq!(sayings, [LogDecision::DropAndWarn, LogDecision::Drop, LogDecision::Drop]);
        assert_eq!(words.dropped_lines(), 3);
    }

    #[test]
    fn that_lines_are_dropped_is_told_once() {
        let words = LogLimiter::new(100);
        let now = Instant::now();
        let first = (0..1_000).filter(|_| words.decide_at(now) == LogDecision::DropAndWarn).count();
        assert_eq!(first, 1);
    }
}
