//! What has to be looked at when.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::lock;

/// No deadline lies further ahead, so that the largest durations of a configuration still add up.
const MAX_WAIT: Duration = Duration::from_secs(30 * 365 * 86_400);

/// One entry of a table: its time, and a number that keeps entries of one time apart.
pub(super) type DeadlineKey = (Instant, u64);

/// The time so long after another.
pub(super) fn deadline_after(now: Instant, wait: Duration) -> Instant {
    now + wait.min(MAX_WAIT)
}

/// Things in the order of their deadlines. The first deadline can be asked for without the lock, since every operation
/// of a layer asks.
pub(super) struct DeadlineQueue<T> {
    epoch: Instant,
    /// Nanoseconds from the epoch to the first deadline; the largest number if there is none.
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

    pub(super) fn schedule(&self, at: Instant, thing: T) -> DeadlineKey {
        let mut table = lock(&self.table);
        table.last_serial += 1;
        let due = (at, table.last_serial);
        table.entries.insert(due, thing);
        self.update_next(&table);
        due
    }

    /// Takes an entry out, if it is there still.
    pub(super) fn cancel(&self, due: DeadlineKey) {
        let mut table = lock(&self.table);
        let thing = table.entries.remove(&due);
        self.update_next(&table);
        drop(table);
        drop(thing);
    }

    /// Takes the first entry whose time has come.
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
