//! Entries in the order of their deadlines.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::lock::lock;

/// The longest wait to a deadline, so that adding the largest configured duration to the time does not overflow.
const MAX_WAIT: Duration = Duration::from_secs(30 * 365 * 86_400);

/// The key of an entry: its deadline, and a serial number that tells entries with the same deadline apart.
pub(super) type DeadlineKey = (Instant, u64);

/// Returns the deadline at `wait` after `now`.
pub(super) fn deadline_after(now: Instant, wait: Duration) -> Instant {
    now + wait.min(MAX_WAIT)
}

/// Entries in the order of their deadlines. Every operation of a layer reads the first deadline, so that needs no lock.
pub(super) struct DeadlineQueue<T> {
    epoch: Instant,
    /// Nanoseconds from the epoch to the first deadline, or `u64::MAX` if there is none.
    next: AtomicU64,
    table: Mutex<DeadlineTable<T>>,
}

struct DeadlineTable<T> {
    entries: BTreeMap<DeadlineKey, T>,
    last_serial: u64,
}

impl<T> DeadlineQueue<T> {
    pub(super) fn new() -> Self {
        let table = DeadlineTable { entries: BTreeMap::new(), last_serial: 0 };
        Self { epoch: Instant::now(), next: AtomicU64::new(u64::MAX), table: Mutex::new(table) }
    }

    /// Adds an entry and returns its key.
    pub(super) fn schedule(&self, deadline: Instant, entry: T) -> DeadlineKey {
        let mut table = lock(&self.table);
        table.last_serial += 1;
        let key = (deadline, table.last_serial);
        table.entries.insert(key, entry);
        self.update_next(&table);
        key
    }

    /// Removes an entry if it is still there.
    pub(super) fn cancel(&self, key: DeadlineKey) {
        let mut table = lock(&self.table);
        let removed = table.entries.remove(&key);
        self.update_next(&table);
        drop(table);
        drop(removed);
    }

    /// Removes and returns the first entry if its deadline has passed at `now`.
    pub(super) fn pop(&self, now: Instant) -> Option<(DeadlineKey, T)> {
        if self.next.load(Ordering::Relaxed) > self.nanos_since_epoch(now) {
            return None;
        }
        let mut table = lock(&self.table);
        let first = table.entries.first_entry().filter(|entry| entry.key().0 <= now)?;
        let entry = first.remove_entry();
        self.update_next(&table);
        Some(entry)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.table).entries.len()
    }

    fn update_next(&self, table: &DeadlineTable<T>) {
        let next = table
            .entries
            .first_key_value()
            .map_or(u64::MAX, |((at, _), _)| self.nanos_since_epoch(*at));
        self.next.store(next, Ordering::Relaxed);
    }

    fn nanos_since_epoch(&self, at: Instant) -> u64 {
        let nanos = at.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}
