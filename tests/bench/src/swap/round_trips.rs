//! The latency of messages.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::ClockTime;
use super::delivery_tracker::RoundTripSample;

/// Percentiles of round trips, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RoundTripQuantiles {
    /// The number of round trips.
    pub(crate) count: usize,
    /// The median.
    pub(crate) p50: f64,
    /// The 99th percentile.
    pub(crate) p99: f64,
    /// The maximum.
    pub(crate) max: f64,
}

impl RoundTripQuantiles {
    /// Computes the percentiles.
    pub(crate) fn from_durations(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<Duration> = times.into_iter().collect();
        times.sort_unstable();
        let at = |part: f64| {
            let index = (times.len().saturating_sub(1) as f64 * part).round();
            times.get(index as usize).map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        Self { count: times.len(), p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }

    /// Computes the percentiles of the round trips that overlap an interval.
    pub(crate) fn between(trips: &[RoundTripSample], from: ClockTime, to: ClockTime) -> Self {
        let on_way =
            trips.iter().filter(|trip| trip.sent_at <= to && trip.sent_at + trip.elapsed >= from);
        Self::from_durations(on_way.map(|trip| trip.elapsed))
    }

    /// Subtracts the median of undisturbed round trips. The result is at least 0.
    pub(crate) fn excess_over(mut self, quiet: &Self) -> Self {
        for time in [&mut self.p50, &mut self.p99, &mut self.max] {
            *time = (*time - quiet.p50).max(0.0);
        }
        self
    }
}

/// Formats as `p50 / p99 / max`.
impl fmt::Display for RoundTripQuantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} / {:.1} / {:.1}", self.p50, self.p99, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trip(sent: u64, took: u64) -> RoundTripSample {
        RoundTripSample {
            sent_at: Duration::from_millis(sent),
            elapsed: Duration::from_millis(took),
        }
    }

    #[test]
    fn those_on_their_way_count_whenever_they_left() {
        let all = [trip(0, 1), trip(5, 10), trip(12, 3), trip(30, 1)];
        let during =
            RoundTripQuantiles::between(&all, Duration::from_millis(10), Duration::from_millis(20));
        assert_eq!((during.count, during.max), (2, 10.0));
        let quiet = RoundTripQuantiles { count: 1, p50: 2.0, p99: 2.0, max: 2.0 };
        assert_eq!(during.excess_over(&quiet).max, 8.0);
        assert_eq!(RoundTripQuantiles::from_durations([]), RoundTripQuantiles::default());
    }
}
