//! The buckets of one owner in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::entry_size::entry_bytes;
use crate::expiry_change::ExpiryChange;
use crate::page::MAX_PAGE_BYTES;
use crate::{KeyvalueError, Page};

/// The most expired entries that are removed at once.
const MAX_REMOVED: usize = 256;

/// The buckets of one owner. An expired entry is missing for every operation, also before it is removed.
#[derive(Debug, Default)]
pub(super) struct OwnedBuckets {
    /// The entries of each bucket, by the name of the bucket. No bucket is empty.
    buckets: HashMap<Arc<str>, BTreeMap<Arc<str>, MemoryEntry>>,
    /// The entries that expire: when, the name of the bucket, and the key.
    expiries: BTreeSet<(Instant, Arc<str>, Arc<str>)>,
    /// The bytes that all entries count for.
    used_bytes: usize,
}

#[derive(Debug)]
struct MemoryEntry {
    value: Bytes,
    expiry: Option<Instant>,
}

impl MemoryEntry {
    fn is_live(&self, now: Instant) -> bool {
        self.expiry.is_none_or(|expiry| expiry > now)
    }
}

impl OwnedBuckets {
    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    pub(super) fn value(&self, bucket: &str, key: &str, now: Instant) -> Option<&Bytes> {
        self.entry(bucket, key, now).map(|entry| &entry.value)
    }

    /// Returns the time of expiry of a key, if the bucket has the key.
    pub(super) fn expiry(&self, bucket: &str, key: &str, now: Instant) -> Option<Option<Instant>> {
        self.entry(bucket, key, now).map(|entry| entry.expiry)
    }

    fn entry(&self, bucket: &str, key: &str, now: Instant) -> Option<&MemoryEntry> {
        self.buckets.get(bucket)?.get(key).filter(|entry| entry.is_live(now))
    }

    /// Returns the bytes that a key counts for. An expired entry counts until it is removed.
    fn counted_bytes(&self, bucket: &str, key: &str) -> usize {
        let entry = self.buckets.get(bucket).and_then(|entries| entries.get(key));
        entry.map_or(0, |entry| entry_bytes(bucket, key, entry.value.len()))
    }

    /// Removes some of the entries that have expired. Returns whether there may be more.
    pub(super) fn remove_expired(&mut self, now: Instant) -> bool {
        for _ in 0..MAX_REMOVED {
            match self.expiries.first() {
                Some((expiry, ..)) if *expiry <= now => {}
                _ => return false,
            }
            if let Some((_, bucket, key)) = self.expiries.pop_first() {
                self.remove(&bucket, &key);
            }
        }
        true
    }

    /// Sets all entries, or none if they would exceed the quota, in which expired entries count until they are removed. No
    /// two entries have the same key.
    pub(super) fn insert(
        &mut self,
        bucket: &str,
        entries: &[(String, Bytes)],
        change: ExpiryChange<Instant>,
        quota: usize,
        now: Instant,
    ) -> Result<(), KeyvalueError> {
        for (key, _) in entries {
            if self.entry(bucket, key, now).is_none() {
                self.remove(bucket, key);
            }
        }
        let before: usize = entries.iter().map(|(key, _)| self.counted_bytes(bucket, key)).sum();
        let sizes = entries.iter().map(|(key, value)| entry_bytes(bucket, key, value.len()));
        let after: usize = sizes.sum();
        // Entries that do not grow are accepted even if the operator has lowered the quota.
        if after > before && self.used_bytes - before + after > quota {
            return Err(KeyvalueError::QuotaExceeded { quota });
        }
        for (key, value) in entries {
            self.put(bucket, key.as_str().into(), value.clone(), change);
        }
        Ok(())
    }

    fn put(&mut self, bucket: &str, key: Arc<str>, value: Bytes, change: ExpiryChange<Instant>) {
        let before = self.take(bucket, &key);
        let expiry = match change {
            ExpiryChange::Keep => before.and_then(|entry| entry.expiry),
            ExpiryChange::Clear => None,
            ExpiryChange::Set(expiry) => Some(expiry),
        };
        self.used_bytes += entry_bytes(bucket, &key, value.len());
        let name = match self.buckets.get_key_value(bucket) {
            Some((name, _)) => Arc::clone(name),
            None => bucket.into(),
        };
        if let Some(expiry) = expiry {
            self.expiries.insert((expiry, Arc::clone(&name), Arc::clone(&key)));
        }
        self.buckets.entry(name).or_default().insert(key, MemoryEntry { value, expiry });
    }

    /// Takes an entry out of its bucket, which may be empty afterwards.
    fn take(&mut self, bucket: &str, key: &str) -> Option<MemoryEntry> {
        let (name, entries) = self.buckets.get_key_value(bucket)?;
        let (name, (key, _)) = (Arc::clone(name), entries.get_key_value(key)?);
        let key = Arc::clone(key);
        let entry = self.buckets.get_mut(&name)?.remove(&key)?;
        self.used_bytes -= entry_bytes(bucket, &key, entry.value.len());
        if let Some(expiry) = entry.expiry {
            self.expiries.remove(&(expiry, name, key));
        }
        Some(entry)
    }

    pub(super) fn remove(&mut self, bucket: &str, key: &str) {
        self.take(bucket, key);
        // Remove an empty bucket, so that it takes no memory.
        if self.buckets.get(bucket).is_some_and(BTreeMap::is_empty) {
            self.buckets.remove(bucket);
        }
    }

    /// Sets the time of expiry of a key. Returns whether the bucket has the key.
    pub(super) fn set_expiry(
        &mut self,
        bucket: &str,
        key: &str,
        expiry: Option<Instant>,
        now: Instant,
    ) -> bool {
        let Some(value) = self.value(bucket, key, now).cloned() else { return false };
        self.put(bucket, key.into(), value, expiry.map_or(ExpiryChange::Clear, ExpiryChange::Set));
        true
    }

    pub(super) fn list(
        &self,
        bucket: &str,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
        now: Instant,
    ) -> Page {
        let Some(entries) = self.buckets.get(bucket) else { return Page::default() };
        let start = match cursor {
            Some(cursor) if cursor >= prefix => Bound::Excluded(cursor),
            _ => Bound::Included(prefix),
        };
        let (mut keys, mut bytes): (Vec<String>, _) = (Vec::new(), 0);
        for (key, entry) in entries.range::<str, _>((start, Bound::Unbounded)) {
            if !key.starts_with(prefix) {
                break;
            }
            if !entry.is_live(now) {
                continue;
            }
            if keys.len() == limit || bytes >= MAX_PAGE_BYTES {
                let cursor = keys.last().cloned();
                return Page { keys, cursor };
            }
            bytes += key.len();
            keys.push(key.as_ref().to_owned());
        }
        Page { keys, cursor: None }
    }
}

#[cfg(test)]
mod tests;
