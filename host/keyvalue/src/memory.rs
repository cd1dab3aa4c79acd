//! Keys and values in this process's memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{Bucket, ENTRY_OVERHEAD_BYTES, KeyvalueError, MAX_PAGE_KEYS, Page};
use narrowboat_core::name::Tenant;

/// What all tenants keep. No operation holds the lock for longer than a look-up, or a page, takes.
#[derive(Debug, Default)]
pub(super) struct MemoryStore(Mutex<HashMap<Tenant, TenantBuckets>>);

/// What one tenant keeps.
#[derive(Debug, Default)]
struct TenantBuckets {
    buckets: HashMap<String, BTreeMap<String, Bytes>>,
    /// Bytes that all of it counts for.
    used_bytes: usize,
}

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, HashMap<Tenant, TenantBuckets>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn value(&self, bucket: &Bucket, key: &str) -> Option<Bytes> {
        self.lock().get(bucket.tenant())?.value(bucket, key)
    }

    /// Bytes that a tenant's buckets count for.
    pub(super) fn used_bytes(&self, tenant: &Tenant) -> u64 {
        self.lock().get(tenant).map_or(0, |holding| holding.used_bytes as u64)
    }

    pub(super) fn get(&self, bucket: &Bucket, key: &str) -> Option<Vec<u8>> {
        // Copied when the lock is no longer held.
        self.value(bucket, key).map(Vec::from)
    }

    pub(super) fn exists(&self, bucket: &Bucket, key: &str) -> bool {
        self.value(bucket, key).is_some()
    }

    pub(super) fn set(
        &self,
        bucket: &Bucket,
        key: &str,
        value: Vec<u8>,
        quota: usize,
    ) -> Result<(), KeyvalueError> {
        // What it has beyond its length is not counted.
        let value = Bytes::from(value.into_boxed_slice());
        let mut tenants = self.lock();
        tenants.entry(bucket.tenant().clone()).or_default().insert(bucket, key, value, quota)
    }

    pub(super) fn delete(&self, bucket: &Bucket, key: &str) {
        if let Some(holding) = self.lock().get_mut(bucket.tenant()) {
            holding.remove(bucket, key);
        }
    }

    pub(super) fn keys(&self, bucket: &Bucket, from: Option<&str>) -> Page {
        let tenants = self.lock();
        let entries = tenants.get(bucket.tenant()).and_then(|it| it.buckets.get(bucket.name()));
        let Some(entries) = entries else { return Page { keys: Vec::new(), cursor: None } };
        let from = from.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = entries.range::<str, _>((from, Bound::Unbounded)).map(|(key, _)| key);
        let keys: Vec<_> = rest.by_ref().take(MAX_PAGE_KEYS).cloned().collect();
        let cursor = rest.next().and_then(|_| keys.last().cloned());
        Page { keys, cursor }
    }

    pub(super) fn increment(
        &self,
        bucket: &Bucket,
        key: &str,
        delta: i64,
        quota: usize,
    ) -> Result<i64, KeyvalueError> {
        let mut tenants = self.lock();
        let holding = tenants.entry(bucket.tenant().clone()).or_default();
        let before = match holding.value(bucket, key) {
            None => 0,
            Some(value) => parse_integer(&value).ok_or(KeyvalueError::NotAnInteger)?,
        };
        let sum = before.checked_add(delta).ok_or(KeyvalueError::NotAnInteger)?;
        holding.insert(bucket, key, Bytes::from(sum.to_string()), quota)?;
        Ok(sum)
    }
}

impl TenantBuckets {
    fn value(&self, bucket: &Bucket, key: &str) -> Option<Bytes> {
        self.buckets.get(bucket.name())?.get(key).cloned()
    }

    fn insert(
        &mut self,
        bucket: &Bucket,
        key: &str,
        value: Bytes,
        quota: usize,
    ) -> Result<(), KeyvalueError> {
        let before = self.value(bucket, key).map_or(0, |value| entry_bytes(bucket, key, &value));
        let after = entry_bytes(bucket, key, &value);
        let used = self.used_bytes - before + after;
        // What does not grow is taken even where the operator has lowered the quota.
        if after > before && used > quota {
            return Err(KeyvalueError::QuotaExceeded { quota });
        }
        self.used_bytes = used;
        let entries = self.buckets.entry(bucket.name().to_owned()).or_default();
        entries.insert(key.to_owned(), value);
        Ok(())
    }

    fn remove(&mut self, bucket: &Bucket, key: &str) {
        let Some(entries) = self.buckets.get_mut(bucket.name()) else { return };
        if let Some(value) = entries.remove(key) {
            self.used_bytes -= entry_bytes(bucket, key, &value);
        }
        // An empty bucket would be kept for nothing.
        if entries.is_empty() {
            self.buckets.remove(bucket.name());
        }
    }
}

/// Bytes that an entry counts for.
fn entry_bytes(bucket: &Bucket, key: &str, value: &[u8]) -> usize {
    ENTRY_OVERHEAD_BYTES + bucket.name().len() + key.len() + value.len()
}

/// A value as Redis reads a number: without a sign that it need not have, spaces or leading zeros.
fn parse_integer(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bucket(tenant: &str, name: &str) -> Bucket {
        Bucket::new(&tenant.parse().unwrap(), name.to_owned()).unwrap()
    }

    fn used(store: &MemoryStore) -> usize {
        store.lock().values().map(|holding| holding.used_bytes).sum()
    }

    #[test]
    fn a_tenants_buckets_are_its_own() {
        let store = MemoryStore::default();
        store.set(&bucket("a", "x"), "key", b"1".to_vec(), 1_000).unwrap();
        assert_eq!(store.get(&bucket("a", "x"), "key").unwrap(), b"1");
        assert_eq!(store.get(&bucket("b", "x"), "key"), None);
        assert_eq!(store.get(&bucket("a", "y"), "key"), None);
        store.delete(&bucket("b", "x"), "key");
        assert!(store.exists(&bucket("a", "x"), "key"));
    }

    #[test]
    fn over_the_quota_nothing_grows_and_all_may_shrink() {
        let store = MemoryStore::default();
        let bucket = bucket("a", "x");
        let quota = entry_bytes(&bucket, "one", &[0; 100]);
        store.set(&bucket, "one", vec![0; 100], quota).unwrap();
        let over = Err(KeyvalueError::QuotaExceeded { quota });
        assert_eq!(store.set(&bucket, "two", Vec::new(), quota), over);
        assert_eq!(store.set(&bucket, "one", vec![0; 101], quota), over);
        store.set(&bucket, "one", vec![0; 99], quota).unwrap();
        store.set(&bucket, "one", vec![0; 98], 10).unwrap();
        assert_eq!(store.increment(&bucket, "n", 1, quota), over.map(|()| 1));
        store.delete(&bucket, "one");
        assert_eq!(used(&store), 0);
        assert_eq!(store.increment(&bucket, "n", 1, quota), Ok(1));
    }

    #[test]
    fn what_is_no_number_is_not_added_to() {
        let store = MemoryStore::default();
        let bucket = bucket("a", "x");
        for value in ["", "x", "1.5", "+1", "01", " 1", "9223372036854775807"] {
            store.set(&bucket, "key", value.into(), 1_000).unwrap();
            let sum = store.increment(&bucket, "key", 1, 1_000);
            assert_eq!(sum, Err(KeyvalueError::NotAnInteger), "{value:?}");
        }
        store.set(&bucket, "key", "-2".into(), 1_000).unwrap();
        assert_eq!(store.increment(&bucket, "key", 5, 1_000), Ok(3));
        assert_eq!(store.get(&bucket, "key").unwrap(), b"3");
    }

    proptest! {
        #[test]
        fn what_counts_is_what_is_there(
            steps in prop::collection::vec(("[ab]", "[a-d]", prop::option::of(0..300usize)), 0..60),
        ) {
            let (store, quota) = (MemoryStore::default(), 1_500);
            for (name, key, len) in steps {
                let bucket = bucket("t", &name);
                match len {
                    Some(len) => drop(store.set(&bucket, &key, vec![0; len], quota)),
                    None => store.delete(&bucket, &key),
                }
                let tenants = store.lock();
                let Some(holding) = tenants.values().next() else { continue };
                let costs = holding.buckets.iter().flat_map(|(name, entries)| {
                    entries.iter().map(move |(key, value)| ENTRY_OVERHEAD_BYTES + name.len() + key.len() + value.len())
                });
                prop_assert_eq!(holding.used_bytes, costs.sum::<usize>());
                prop_assert!(holding.used_bytes <= quota);
                prop_assert!(holding.buckets.values().all(|entries| !entries.is_empty()));
            }
        }

        #[test]
        fn page_by_page_each_key_is_told_once(count in 0..2_500usize) {
            let store = MemoryStore::default();
            let bucket = bucket("t", "x");
            for at in 0..count {
                store.set(&bucket, &format!("{at:04}"), Vec::new(), usize::MAX).unwrap();
            }
            let (mut told, mut cursor) = (Vec::new(), None);
            loop {
                let mut page = store.keys(&bucket, cursor.as_deref());
                told.append(&mut page.keys);
                cursor = page.cursor;
                if cursor.is_none() { break }
            }
            prop_assert_eq!(told, (0..count).map(|at| format!("{at:04}")).collect::<Vec<_>>());
        }
    }
}
