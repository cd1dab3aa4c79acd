//! How much guests may say.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Seconds' worth of lines that a version may log in one go.
const BURST: f64 = 5.0;

/// What a version has said, bounded over time.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Lines a second.
    rate: f64,
    budget: Mutex<Option<Budget>>,
    unsaid: AtomicU64,
    /// Whether it has been told that it may say nothing.
    silenced: AtomicBool,
}

#[derive(Debug)]
struct Budget {
    left: f64,
    at: Instant,
    /// Whether it has been told that lines are dropped.
    told: bool,
}

/// Whether a line is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Saying {
    /// It is.
    Said,
    /// It is not, and that has to be told.
    First,
    /// It is not.
    Unsaid,
}

impl Words {
    /// So many lines a second for long.
    pub(super) fn new(rate: u64) -> Self {
        Self { rate: rate as f64, ..Self::default() }
    }

    /// Asks to log a line.
    pub(super) fn say(&self) -> Saying {
        self.say_at(Instant::now())
    }

    fn say_at(&self, now: Instant) -> Saying {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let most = self.rate * BURST;
        let budget = budget.get_or_insert(Budget { left: most, at: now, told: false });
        let passed = now.saturating_duration_since(budget.at).as_secs_f64();
        budget.left = (budget.left + passed * self.rate).min(most);
        budget.at = now;
        if budget.left >= 1.0 {
            budget.left -= 1.0;
            budget.told &= budget.left < most / 2.0;
            return Saying::Said;
        }
        self.unsaid.fetch_add(1, Ordering::Relaxed);
        if std::mem::replace(&mut budget.told, true) { Saying::Unsaid } else { Saying::First }
    }

    /// Counts a line of one that may say nothing.
    pub(super) fn swallow(&self) -> Saying {
        self.unsaid.fetch_add(1, Ordering::Relaxed);
        match self.silenced.swap(true, Ordering::Relaxed) {
            true => Saying::Unsaid,
            false => Saying::First,
        }
    }

    /// Lines that came too fast, or were not to be said.
    pub(super) fn unsaid(&self) -> u64 {
        self.unsaid.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_is_said_and_then_so_many_a_second() {
        let words = Words::new(100);
        let now = Instant::now();
        let said = (0..1_000).filter(|_| words.say_at(now) == Saying::Said).count();
        assert_eq!(said, 500);
        let later = now + Duration::from_secs(1);
        let said = (0..1_000).filter(|_| words.say_at(later) == Saying::Said).count();
        assert_eq!(said, 100);
        assert_eq!(words.unsaid(), 1_400);
    }

    #[test]
    fn one_that_may_say_nothing_is_told_of_once() {
        let words = Words::default();
        let sayings: Vec<_> = (0..3).map(|_| words.swallow()).collect();
        assert_eq!(sayings, [Saying::First, Saying::Unsaid, Saying::Unsaid]);
        assert_eq!(words.unsaid(), 3);
    }

    #[test]
    fn that_lines_are_dropped_is_told_once() {
        let words = Words::new(100);
        let now = Instant::now();
        let first = (0..1_000).filter(|_| words.say_at(now) == Saying::First).count();
        assert_eq!(first, 1);
    }
}
