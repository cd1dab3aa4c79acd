//! Limits the log lines of guests.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The size of a burst, in seconds of the rate.
const BURST_SECONDS: f64 = 5.0;

/// A token bucket for the log lines of a version.
#[derive(Debug, Default)]
pub(crate) struct LogLimiter {
    /// Lines per second.
    rate: f64,
    budget: Mutex<Option<LogLineBudget>>,
    dropped_lines: AtomicU64,
    /// Whether the log has a warning that the plugin may not log.
    has_warned_denied: AtomicBool,
}

#[derive(Debug)]
struct LogLineBudget {
    tokens: f64,
    refilled_at: Instant,
    /// Whether the log has a warning that lines are dropped.
    has_warned: bool,
}

/// Whether a line is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogDecision {
    /// Log the line.
    Log,
    /// Drop the line, and log a warning that lines are dropped.
    DropAndWarn,
    /// Drop the line.
    Drop,
}

impl LogLimiter {
    /// Creates a limiter that allows `rate` lines per second on average.
    pub(crate) fn new(rate: u64) -> Self {
        Self { rate: rate as f64, ..Self::default() }
    }

    /// Decides whether a line is logged.
    pub(crate) fn decide(&self) -> LogDecision {
        self.decide_at(Instant::now())
    }

    fn decide_at(&self, now: Instant) -> LogDecision {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let burst = self.rate * BURST_SECONDS;
        let budget = budget.get_or_insert(LogLineBudget {
            tokens: burst,
            refilled_at: now,
            has_warned: false,
        });
        let elapsed = now.saturating_duration_since(budget.refilled_at).as_secs_f64();
        budget.tokens = (budget.tokens + elapsed * self.rate).min(burst);
        budget.refilled_at = now;
        if budget.tokens >= 1.0 {
            budget.tokens -= 1.0;
            budget.has_warned &= budget.tokens < burst / 2.0;
            return LogDecision::Log;
        }
        self.dropped_lines.fetch_add(1, Ordering::Relaxed);
        if std::mem::replace(&mut budget.has_warned, true) {
            LogDecision::Drop
        } else {
            LogDecision::DropAndWarn
        }
    }

    /// Drops a line of a plugin that may not log.
    pub(crate) fn drop_denied_line(&self) -> LogDecision {
        self.dropped_lines.fetch_add(1, Ordering::Relaxed);
        match self.has_warned_denied.swap(true, Ordering::Relaxed) {
            true => LogDecision::Drop,
            false => LogDecision::DropAndWarn,
        }
    }

    /// The number of dropped lines.
    pub(crate) fn dropped_lines(&self) -> u64 {
        self.dropped_lines.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_is_logged_and_then_the_rate_applies() {
        let limiter = LogLimiter::new(100);
        let now = Instant::now();
        let logged = (0..1_000).filter(|_| limiter.decide_at(now) == LogDecision::Log).count();
        assert_eq!(logged, 500);
        let later = now + Duration::from_secs(1);
        let logged = (0..1_000).filter(|_| limiter.decide_at(later) == LogDecision::Log).count();
        assert_eq!(logged, 100);
        assert_eq!(limiter.dropped_lines(), 1_400);
    }

    #[test]
    fn a_denied_plugin_is_warned_about_once() {
        let limiter = LogLimiter::default();
        let decisions: Vec<_> = (0..3).map(|_| limiter.drop_denied_line()).collect();
        assert_eq!(decisions, [LogDecision::DropAndWarn, LogDecision::Drop, LogDecision::Drop]);
        assert_eq!(limiter.dropped_lines(), 3);
    }

    #[test]
    fn dropped_lines_are_warned_about_once() {
        let limiter = LogLimiter::new(100);
        let now = Instant::now();
        let warnings =
            (0..1_000).filter(|_| limiter.decide_at(now) == LogDecision::DropAndWarn).count();
        assert_eq!(warnings, 1);
    }
}
