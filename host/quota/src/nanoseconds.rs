//! Durations as counts of nanoseconds.

use std::time::Duration;

/// A duration in nanoseconds, at most [`u64::MAX`].
pub(crate) fn to_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
