//! The key-value store in the memory of this process.

mod owned_buckets;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use self::owned_buckets::OwnedBuckets;
use crate::batch::check_batch_bytes;
use crate::bucket::BucketOwner;
use crate::expiry_change::ExpiryChange;
use crate::integer::add_to_integer;
use crate::{Bucket, KeyTtl, KeyvalueError, Page};
use narrowboat_core::name::Tenant;

/// The buckets of all tenants and of the host. An operation holds the lock for one batch or one page. The clock is
/// tokio's, which tests can pause.
#[derive(Debug, Default)]
pub(crate) struct MemoryStore(Mutex<HashMap<BucketOwner, OwnedBuckets>>);

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, HashMap<BucketOwner, OwnedBuckets>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn value(&self, bucket: &Bucket, key: &str) -> Option<Bytes> {
        let owners = self.lock();
        owners.get(bucket.owner())?.value(bucket.name(), key, Instant::now()).cloned()
    }

    /// Changes the buckets of a bucket's owner, after some expired entries were removed. A change that needs the bytes of
    /// further ones gets them in steps, between which other operations take the lock.
    fn change<T>(
        &self,
        bucket: &Bucket,
        change: impl Fn(&mut OwnedBuckets, Instant) -> Result<T, KeyvalueError>,
    ) -> Result<T, KeyvalueError> {
        loop {
            let now = Instant::now();
            let mut owners = self.lock();
            let buckets = owners.entry(bucket.owner().clone()).or_default();
            let has_more = buckets.remove_expired(now);
            match change(buckets, now) {
                Err(KeyvalueError::QuotaExceeded { .. }) if has_more => {}
                result => return result,
            }
        }
    }

    /// Returns the bytes that the buckets of a tenant count for.
    pub(crate) fn used_bytes(&self, tenant: &Tenant) -> u64 {
        let mut owners = self.lock();
        let Some(buckets) = owners.get_mut(&BucketOwner::Tenant(tenant.clone())) else { return 0 };
        buckets.remove_expired(Instant::now());
        buckets.used_bytes() as u64
    }

    pub(crate) fn get(&self, bucket: &Bucket, key: &str) -> Result<Option<Vec<u8>>, KeyvalueError> {
        // The value is copied after the lock is released.
        Ok(self.value(bucket, key).map(Vec::from))
    }

    pub(crate) fn exists(&self, bucket: &Bucket, key: &str) -> Result<bool, KeyvalueError> {
        Ok(self.value(bucket, key).is_some())
    }

    pub(crate) fn get_many(
        &self,
        bucket: &Bucket,
        keys: &[String],
    ) -> Result<Vec<Option<Vec<u8>>>, KeyvalueError> {
        let values: Vec<Option<Bytes>> = {
            let (owners, now) = (self.lock(), Instant::now());
            let buckets = owners.get(bucket.owner());
            let find = |key: &String| buckets?.value(bucket.name(), key, now).cloned();
            keys.iter().map(find).collect()
        };
        check_batch_bytes(values.iter().flatten().map(Bytes::len).sum())?;
        Ok(values.into_iter().map(|value| value.map(Vec::from)).collect())
    }

    /// Sets all entries or none.
    pub(crate) fn set(
        &self,
        bucket: &Bucket,
        entries: Vec<(String, Vec<u8>)>,
        ttl: Option<Duration>,
        quota: usize,
    ) -> Result<(), KeyvalueError> {
        // Free the unused capacity, which the quota does not count.
        let entries: Vec<_> = entries
            .into_iter()
            .map(|(key, value)| (key, Bytes::from(value.into_boxed_slice())))
            .collect();
        self.change(bucket, |buckets, now| {
            let expiry = ttl.map_or(ExpiryChange::Clear, |ttl| ExpiryChange::Set(now + ttl));
            buckets.insert(bucket.name(), &entries, expiry, quota, now)
        })
    }

    pub(crate) fn delete(
        &self,
        bucket: &Bucket,
        keys: &[impl AsRef<str>],
    ) -> Result<(), KeyvalueError> {
        self.change(bucket, |buckets, _| {
            keys.iter().for_each(|key| buckets.remove(bucket.name(), key.as_ref()));
            Ok(())
        })
    }

    pub(crate) fn list(
        &self,
        bucket: &Bucket,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, KeyvalueError> {
        let (owners, now) = (self.lock(), Instant::now());
        let buckets = owners.get(bucket.owner());
        let page = buckets.map(|buckets| buckets.list(bucket.name(), prefix, cursor, limit, now));
        Ok(page.unwrap_or_default())
    }

    pub(crate) fn increment(
        &self,
        bucket: &Bucket,
        key: &str,
        delta: i64,
        quota: usize,
    ) -> Result<i64, KeyvalueError> {
        self.change(bucket, |buckets, now| {
            let before = buckets.value(bucket.name(), key, now);
            let sum = add_to_integer(before.map(Bytes::as_ref), delta)?;
            let entry = (key.to_owned(), Bytes::from(sum.to_string()));
            buckets.insert(bucket.name(), &[entry], ExpiryChange::Keep, quota, now)?;
            Ok(sum)
        })
    }

    pub(crate) fn compare_and_set(
        &self,
        bucket: &Bucket,
        key: &str,
        expected: Option<&[u8]>,
        value: Vec<u8>,
        quota: usize,
    ) -> Result<bool, KeyvalueError> {
        let entry = [(key.to_owned(), Bytes::from(value.into_boxed_slice()))];
        self.change(bucket, |buckets, now| {
            let before = buckets.value(bucket.name(), key, now);
            if before.map(Bytes::as_ref) != expected {
                return Ok(false);
            }
            buckets.insert(bucket.name(), &entry, ExpiryChange::Keep, quota, now)?;
            Ok(true)
        })
    }

    pub(crate) fn set_ttl(
        &self,
        bucket: &Bucket,
        key: &str,
        ttl: Option<Duration>,
    ) -> Result<bool, KeyvalueError> {
        self.change(bucket, |buckets, now| {
            Ok(buckets.set_expiry(bucket.name(), key, ttl.map(|ttl| now + ttl), now))
        })
    }

    pub(crate) fn ttl(&self, bucket: &Bucket, key: &str) -> Result<KeyTtl, KeyvalueError> {
        let (owners, now) = (self.lock(), Instant::now());
        let buckets = owners.get(bucket.owner());
        Ok(match buckets.and_then(|buckets| buckets.expiry(bucket.name(), key, now)) {
            None => KeyTtl::Missing,
            Some(None) => KeyTtl::Never,
            Some(Some(expiry)) => KeyTtl::Remaining(expiry - now),
        })
    }
}
