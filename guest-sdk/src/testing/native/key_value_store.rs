use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use crate::keyvalue::{KeyPage, TimeToLive};

/// The keys and values of all buckets.
#[derive(Debug, Default)]
pub(crate) struct KeyValueStore {
    entries: BTreeMap<(String, String), Entry>,
    /// The time of the host's clock.
    now: Duration,
}

/// The value of a key.
#[derive(Debug, Clone)]
struct Entry {
    value: Vec<u8>,
    /// The time of the clock at which the key is deleted.
    expires_at: Option<Duration>,
}

fn entry_key(bucket: &str, key: &str) -> (String, String) {
    (bucket.to_owned(), key.to_owned())
}

impl KeyValueStore {
    /// Sets the clock, and deletes the keys whose time has passed.
    pub(super) fn advance_to(&mut self, now: Duration) {
        self.now = now;
        self.entries.retain(|_, entry| entry.expires_at.is_none_or(|at| at > now));
    }

    pub(crate) fn get(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        self.entries.get(&entry_key(bucket, key)).map(|entry| entry.value.clone())
    }

    /// Sets a value, which is deleted after `ttl`.
    pub(crate) fn set(&mut self, bucket: &str, key: &str, value: Vec<u8>, ttl: Option<Duration>) {
        let expires_at = ttl.map(|ttl| self.now.saturating_add(ttl));
        self.entries.insert(entry_key(bucket, key), Entry { value, expires_at });
    }

    /// Sets a value. The key keeps the time to live that it has.
    fn replace(&mut self, bucket: &str, key: &str, value: Vec<u8>) {
        let entry = Entry { value: Vec::new(), expires_at: None };
        self.entries.entry(entry_key(bucket, key)).or_insert(entry).value = value;
    }

    pub(crate) fn delete(&mut self, bucket: &str, key: &str) {
        self.entries.remove(&entry_key(bucket, key));
    }

    /// Returns up to `limit` keys with a prefix that come after the cursor.
    pub(crate) fn list(
        &self,
        bucket: &str,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> KeyPage {
        let start = match cursor {
            Some(cursor) => Bound::Excluded(entry_key(bucket, cursor)),
            None => Bound::Included(entry_key(bucket, prefix)),
        };
        let rest = self.entries.range((start, Bound::Unbounded)).map(|(key, _)| key);
        let mut rest = rest.take_while(|(own, key)| own == bucket && key.starts_with(prefix));
        let keys: Vec<_> = rest.by_ref().take(limit.max(1)).map(|(_, key)| key.clone()).collect();
        let cursor = rest.next().and_then(|_| keys.last().cloned());
        KeyPage { keys, cursor }
    }

    /// Adds `delta` to a number. `None` if the value or the sum is not a 64-bit integer.
    pub(crate) fn increment(&mut self, bucket: &str, key: &str, delta: i64) -> Option<i64> {
        let value = self.get(bucket, key).unwrap_or_else(|| b"0".to_vec());
        let number: i64 = str::from_utf8(&value).ok()?.parse().ok()?;
        let sum = number.checked_add(delta)?;
        self.replace(bucket, key, sum.to_string().into_bytes());
        Some(sum)
    }

    /// Sets a value if the key has the value `expected`. Returns whether it has.
    pub(crate) fn compare_and_set(
        &mut self,
        bucket: &str,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> bool {
        let is_expected = self.get(bucket, key).as_deref() == expected;
        if is_expected {
            self.replace(bucket, key, value.to_owned());
        }
        is_expected
    }

    /// Changes the time to live of a key. Returns whether the key exists.
    pub(crate) fn set_ttl(&mut self, bucket: &str, key: &str, ttl: Option<Duration>) -> bool {
        let expires_at = ttl.map(|ttl| self.now.saturating_add(ttl));
        let entry = self.entries.get_mut(&entry_key(bucket, key));
        entry.map(|entry| entry.expires_at = expires_at).is_some()
    }

    pub(crate) fn ttl(&self, bucket: &str, key: &str) -> TimeToLive {
        match self.entries.get(&entry_key(bucket, key)).map(|entry| entry.expires_at) {
            None => TimeToLive::Missing,
            Some(None) => TimeToLive::Unlimited,
            Some(Some(at)) => TimeToLive::Remaining(at.saturating_sub(self.now)),
        }
    }
}
