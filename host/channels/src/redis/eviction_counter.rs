//! The number of keys that a server has evicted.

use std::sync::atomic::{AtomicU64, Ordering};

use redis::Value;

/// The number of keys that a server had evicted at the last check.
pub(super) struct EvictionCounter(AtomicU64);

impl Default for EvictionCounter {
    fn default() -> Self {
        Self(AtomicU64::new(Self::UNKNOWN))
    }
}

impl EvictionCounter {
    /// The value before the first check.
    const UNKNOWN: u64 = u64::MAX;

    /// Whether the server has evicted keys since the last check, by its reply to `INFO stats`. Returns false at the
    /// first check.
    pub(super) fn has_grown(&self, info: &Value) -> bool {
        let Ok(info) = redis::from_redis_value_ref::<String>(info) else { return false };
        let count = info.lines().find_map(|line| line.strip_prefix("evicted_keys:"));
        let Some(count) = count.and_then(|count| count.trim().parse().ok()) else { return false };
        let previous = self.0.swap(count, Ordering::Relaxed);
        previous != Self::UNKNOWN && previous < count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_evictions_after_the_first_check_are_reported() {
        let evictions = EvictionCounter::default();
        let has_grown = |count: u64| {
            let info = format!("# Stats\r\nexpired_keys:9\r\nevicted_keys:{count}\r\n");
            evictions.has_grown(&Value::BulkString(info.into_bytes()))
        };
        assert_eq!([7, 7, 8, 8].map(has_grown), [false, false, true, false]);
        // A server that was restarted counts from 0.
        assert_eq!([0, 1].map(has_grown), [false, true]);
    }
}
