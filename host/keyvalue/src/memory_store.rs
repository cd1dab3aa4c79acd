//! The key-value store in the memory of this process.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::entry_size::entry_bytes;
use crate::page::MAX_PAGE_KEYS;
use crate::{Bucket, KeyvalueError, Page};
use narrowboat_core::name::Tenant;

/// The buckets of all tenants. An operation holds the lock for one lookup or one page.
#[derive(Debug, Default)]
pub(crate) struct MemoryStore(Mutex<HashMap<Tenant, TenantBuckets>>);

/// The buckets of one tenant.
#[derive(Debug, Default)]
struct TenantBuckets {
    /// The entries of each bucket, by the name of the bucket.
    buckets: HashMap<String, BTreeMap<String, Bytes>>,
    /// The bytes that all entries count for.
    used_bytes: usize,
}

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, HashMap<Tenant, TenantBuckets>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn value(&self, bucket: &Bucket, key: &str) -> Option<Bytes> {
        self.lock().get(bucket.tenant())?.value(bucket, key)
    }

    /// Returns the bytes that the buckets of a tenant count for.
    pub(crate) fn used_bytes(&self, tenant: &Tenant) -> u64 {
        self.lock().get(tenant).map_or(0, |buckets| buckets.used_bytes as u64)
    }

    pub(crate) fn get(&self, bucket: &Bucket, key: &str) -> Option<Vec<u8>> {
        // The value is copied after the lock is released.
        self.value(bucket, key).map(Vec::from)
    }

    pub(crate) fn exists(&self, bucket: &Bucket, key: &str) -> bool {
        self.value(bucket, key).is_some()
    }

    pub(crate) fn set(
        &self,
        bucket: &Bucket,
        key: &str,
        value: Vec<u8>,
        quota: usize,
    ) -> Result<(), KeyvalueError> {
        // Free the unused capacity, which the quota does not count.
        let value = Bytes::from(value.into_boxed_slice());
        let mut tenants = self.lock();
        tenants.entry(bucket.tenant().clone()).or_default().insert(bucket, key, value, quota)
    }

    pub(crate) fn delete(&self, bucket: &Bucket, key: &str) {
        if let Some(buckets) = self.lock().get_mut(bucket.tenant()) {
            buckets.remove(bucket, key);
        }
    }

    pub(crate) fn keys(&self, bucket: &Bucket, cursor: Option<&str>) -> Page {
        let tenants = self.lock();
        let entries = tenants.get(bucket.tenant()).and_then(|it| it.buckets.get(bucket.name()));
        let Some(entries) = entries else { return Page { keys: Vec::new(), cursor: None } };
        let start = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = entries.range::<str, _>((start, Bound::Unbounded)).map(|(key, _)| key);
        let keys: Vec<_> = rest.by_ref().take(MAX_PAGE_KEYS).cloned().collect();
        let cursor = rest.next().and_then(|_| keys.last().cloned());
        Page { keys, cursor }
    }

    pub(crate) fn increment(
        &self,
        bucket: &Bucket,
        key: &str,
        delta: i64,
        quota: usize,
    ) -> Result<i64, KeyvalueError> {
        let mut tenants = self.lock();
        let buckets = tenants.entry(bucket.tenant().clone()).or_default();
        let before = match buckets.value(bucket, key) {
            None => 0,
            Some(value) => parse_integer(&value).ok_or(KeyvalueError::NotAnInteger)?,
        };
        let sum = before.checked_add(delta).ok_or(KeyvalueError::NotAnInteger)?;
        buckets.insert(bucket, key, Bytes::from(sum.to_string()), quota)?;
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
        // An entry that does not grow is accepted even if the operator has lowered the quota.
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
        // Remove an empty bucket, so that it takes no memory.
        if entries.is_empty() {
            self.buckets.remove(bucket.name());
        }
    }
}

/// Parses an integer as Redis does: without a plus sign, spaces or leading zeros.
fn parse_integer(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests;
