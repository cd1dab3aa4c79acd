//! The log of a part that fails and recovers.

use std::time::{Duration, Instant};

/// The shortest time between two failures that the log has.
const INTERVAL: Duration = Duration::from_secs(60);

/// Decides which failures and recoveries of a part the log has: those that begin or end an outage, and of outages in quick
/// succession only the first. A disk that is almost full takes small writes and refuses large ones, so that each write
/// would be a line.
#[derive(Debug, Default)]
pub struct OutageLog {
    /// The time of the last failure that the log has.
    logged_at: Option<Instant>,
    outage: Outage,
}

/// Whether the part fails now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Outage {
    /// It works.
    #[default]
    None,
    /// It fails, and the log has that.
    Logged,
    /// It fails, and the log has a failure of shortly before.
    Silent,
}

impl OutageLog {
    /// Records a failure. Returns whether the log should have it.
    pub fn record_failure(&mut self, now: Instant) -> bool {
        if self.outage == Outage::Logged {
            return false;
        }
        let is_due = self.logged_at.is_none_or(|at| now.saturating_duration_since(at) >= INTERVAL);
        if is_due {
            self.logged_at = Some(now);
        }
        self.outage = if is_due { Outage::Logged } else { Outage::Silent };
        is_due
    }

    /// Records that the part works. Returns whether the log should have that: it has the failure before.
    pub fn record_success(&mut self) -> bool {
        std::mem::take(&mut self.outage) == Outage::Logged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_logged_at_its_beginning_and_at_its_end() {
        let (mut log, now) = (OutageLog::default(), Instant::now());
        assert!(!log.record_success());
        assert!(log.record_failure(now));
        assert!(!log.record_failure(now + INTERVAL));
        assert!(log.record_success());
        assert!(!log.record_success());
    }

    #[test]
    fn a_part_that_fails_and_works_in_turn_is_logged_once_in_an_interval() {
        let (mut log, now) = (OutageLog::default(), Instant::now());
        assert!(log.record_failure(now) && log.record_success());
        for second in 1..59 {
            assert!(!log.record_failure(now + Duration::from_secs(second)));
            assert!(!log.record_success());
        }
        assert!(log.record_failure(now + INTERVAL) && log.record_success());
    }

    #[test]
    fn an_outage_that_lasts_is_logged_though_it_began_shortly_after_another_one() {
        let (mut log, now) = (OutageLog::default(), Instant::now());
        assert!(log.record_failure(now) && log.record_success());
        assert!(!log.record_failure(now + INTERVAL / 2));
        assert!(log.record_failure(now + INTERVAL));
        assert!(log.record_success());
    }
}
