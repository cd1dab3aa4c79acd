//! The time of a room's alarm.

use std::time::Duration;

/// The furthest time of an alarm from now.
const MAX_DELAY: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// The time of a room's alarm, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlarmTime(u64);

impl AlarmTime {
    /// The time after this number of milliseconds since 1970.
    #[must_use]
    pub fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The time `delay` after `now`, which is the time since 1970.
    #[must_use]
    pub fn after(now: Duration, delay: Duration) -> Self {
        let millis = now.saturating_add(delay).as_micros().div_ceil(1_000);
        Self(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    /// The milliseconds since 1970.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// The time that is left at `now`, which is the time since 1970. Zero if the alarm is due.
    #[must_use]
    pub fn time_left(self, now: Duration) -> Duration {
        Duration::from_millis(self.0).saturating_sub(now)
    }

    /// Whether the time is at most 100 years ahead of `now`.
    #[must_use]
    pub fn is_in_range(self, now: Duration) -> bool {
        self.time_left(now) <= MAX_DELAY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_never_due_before_its_delay_has_passed() {
        let now = Duration::from_micros(1_500);
        let alarm = AlarmTime::after(now, Duration::from_millis(2));
        assert_eq!(alarm.as_millis(), 4);
        assert_eq!(alarm.time_left(Duration::from_micros(3_999)), Duration::from_micros(1));
        assert_eq!(alarm.time_left(Duration::from_millis(4)), Duration::ZERO);
    }

    #[test]
    fn an_alarm_is_at_most_a_hundred_years_ahead() {
        let now = Duration::from_secs(1_700_000_000);
        assert!(AlarmTime::after(now, MAX_DELAY).is_in_range(now));
        assert!(!AlarmTime::from_millis(u64::MAX).is_in_range(now));
        assert!(AlarmTime::from_millis(0).is_in_range(now));
    }
}
