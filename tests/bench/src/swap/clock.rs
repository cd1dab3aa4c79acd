//! The clock for comparing moments of clients with lines of the log.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A moment, as the time since the start of the clock.
pub(crate) type ClockTime = Duration;

/// A clock that returns the current moment and converts time stamps of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BenchClock {
    start: Instant,
    /// The time of day at the start, in UTC.
    start_time_of_day: Duration,
}

impl BenchClock {
    /// Starts the clock.
    pub(crate) fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let into_day = since_epoch.as_nanos() % DAY.as_nanos();
        let start_time_of_day = Duration::from_nanos(u64::try_from(into_day).unwrap_or_default());
        Self { start: Instant::now(), start_time_of_day }
    }

    /// Returns the current moment.
    pub(crate) fn now(&self) -> ClockTime {
        self.start.elapsed()
    }

    /// Converts a time stamp such as `2026-01-31T23:59:59.123456Z` to a moment. A run has to be shorter than a day.
    pub(crate) fn parse_timestamp(&self, stamp: &str) -> Option<ClockTime> {
        let daytime = stamp.split_once('T')?.1.strip_suffix('Z')?;
        let mut parts = daytime.split(':');
        let hours: f64 = parts.next()?.parse().ok()?;
        let minutes: f64 = parts.next()?.parse().ok()?;
        let seconds: f64 = parts.next()?.parse().ok()?;
        let daytime = Duration::try_from_secs_f64(hours * 3_600.0 + minutes * 60.0 + seconds);
        let daytime = daytime.ok()?;
        let after = daytime.checked_sub(self.start_time_of_day);
        Some(after.unwrap_or_else(|| (daytime + DAY).saturating_sub(self.start_time_of_day)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_after_midnight_is_of_the_next_day() {
        let daytime = DAY - Duration::from_secs(1);
        let clock = BenchClock { start: Instant::now(), start_time_of_day: daytime };
        let moment = |stamp| clock.parse_timestamp(stamp).unwrap().as_millis();
        assert_eq!(moment("2026-01-31T23:59:59.250000Z"), 250);
        assert_eq!(moment("2026-02-01T00:00:01.500000Z"), 2_500);
        assert_eq!(clock.parse_timestamp("WARN"), None);
    }
}
