//! How long things take, counted in steps.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the steps; what takes longer is above the last.
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

/// Counts by how long something took.
#[derive(Debug, Default)]
pub struct Histogram {
    /// Nanoseconds together.
    sum: AtomicU64,
    /// Each counted in one step; the last is for those above all.
    bucket_counts: [AtomicU64; BUCKET_BOUNDS.len() + 1],
}

impl Histogram {
    /// Counts something that took so long.
    pub fn count(&self, took: Duration) {
        let step =
            BUCKET_BOUNDS.iter().position(|step| took <= *step).unwrap_or(BUCKET_BOUNDS.len());
        self.bucket_counts[step].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// The counts now.
    pub fn now(&self) -> HistogramSnapshot {
        HistogramSnapshot {
            sum: Duration::from_nanos(self.sum.load(Ordering::Relaxed)),
            bucket_counts: std::array::from_fn(|step| {
                self.bucket_counts[step].load(Ordering::Relaxed)
            }),
        }
    }
}

/// Counts at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// All together.
    pub sum: Duration,
    /// How many there are in each step of [`BUCKET_BOUNDS`], and above the last.
    pub bucket_counts: [u64; BUCKET_BOUNDS.len() + 1],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_in_one_step() {
        let times = Histogram::default();
        for micros in [1, 5, 6, 2_000_000] {
            times.count(Duration::from_micros(micros));
        }
        let HistogramSnapshot { sum, bucket_counts: steps } = times.now();
        assert_eq!(steps, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(sum, Duration::from_micros(2_000_012));
    }
}
