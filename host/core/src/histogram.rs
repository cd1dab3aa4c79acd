//! A histogram of durations, with atomic counters.
//!
//! `docs/decisions/libraries.md` says why this is not the histogram of a metrics library.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
pub struct Histogram {
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
        self.bucket_counts[bucket].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.sum.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Returns the current counts.
    pub fn now(&self) -> HistogramSnapshot {
        HistogramSnapshot {
            sum: Duration::from_nanos(self.sum.load(Ordering::Relaxed)),
            bucket_counts: std::array::from_fn(|bucket| {
                self.bucket_counts[bucket].load(Ordering::Relaxed)
            }),
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
