//! A histogram of durations, with atomic counters.
//!
//! `docs/decisions/libraries.md` says why this is not the histogram of a metrics library.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::striped::Striped;

/// The inclusive upper bounds of the buckets. One more bucket counts longer durations.
pub const BUCKET_BOUNDS: [Duration; 10] = [
    Duration::from_micros(5),
    Duration::from_micros(10),
    Duration::from_micros(25),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(10),
    Duration::from_millis(100),
    Duration::from_secs(1),
];

/// Counts durations in buckets.
#[derive(Debug, Default)]
pub struct Histogram(Striped<HistogramCounters>);

#[derive(Debug, Default)]
struct HistogramCounters {
    /// The sum of all durations, in nanoseconds.
    sum: AtomicU64,
    /// Each duration counts in one bucket; the last one is for durations above all bounds.
    bucket_counts: [AtomicU64; BUCKET_BOUNDS.len() + 1],
}

impl Histogram {
    /// Counts a duration.
    pub fn count(&self, duration: Duration) {
        let bucket = BUCKET_BOUNDS.iter().position(|bound| duration <= *bound);
        let bucket = bucket.unwrap_or(BUCKET_BOUNDS.len());
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let HistogramCounters { sum, bucket_counts } = self.0.local();
        bucket_counts[bucket].fetch_add(1, Ordering::Relaxed);
        sum.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Returns the current counts.
    pub fn now(&self) -> HistogramSnapshot {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let bucket_count =
            |bucket: usize| self.0.iter().map(|counts| load(&counts.bucket_counts[bucket])).sum();
        HistogramSnapshot {
            sum: Duration::from_nanos(self.0.iter().map(|counts| load(&counts.sum)).sum()),
            bucket_counts: std::array::from_fn(bucket_count),
        }
    }
}

/// The counts of a histogram at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// The sum of all durations.
    pub sum: Duration,
    /// The counts of the buckets of [`BUCKET_BOUNDS`], and of longer durations.
    pub bucket_counts: [u64; BUCKET_BOUNDS.len() + 1],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_counted_in_one_bucket() {
        let histogram = Histogram::default();
        for micros in [1, 5, 6, 2_000_000] {
            histogram.count(Duration::from_micros(micros));
        }
        let HistogramSnapshot { sum, bucket_counts } = histogram.now();
        assert_eq!(bucket_counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(sum, Duration::from_micros(2_000_012));
    }
}
