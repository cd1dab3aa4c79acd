//! The key-value store and its limits.

use std::collections::BTreeMap;
use std::time::Duration;

use narrowboat_config::{KeyvalueBackend, KeyvalueConfig, RedisHost};
use narrowboat_core::name::Tenant;
use narrowboat_quota::{LimitKind, QuotaChain};

use crate::batch::{check_batch_bytes, check_batch_keys};
use crate::file::FileStore;
use crate::memory_store::MemoryStore;
use crate::page::MAX_PAGE_KEYS;
use crate::redis::RedisStore;
use crate::store_limits::{StoreLimits, check_ttl};
use crate::{Bucket, KeyTtl, KeyvalueError, Page, StoreCondition, StoreOpenError};

/// The key-value store of all tenants, and its limits.
///
/// An entry whose time to live is over is missing for every operation, and counts in no quota. Entries of a bucket of
/// the host ([`Bucket::system`]) count in no quota either.
#[derive(Debug)]
pub struct KeyvalueStore {
    pub(crate) backend: StoreBackend,
    pub(crate) limits: StoreLimits,
}

#[derive(Debug)]
pub(crate) enum StoreBackend {
    Memory(MemoryStore),
    File(FileStore),
    Redis(Box<RedisStore>),
}

/// Calls a method that all backends have. Only the one in memory never waits.
macro_rules! on_backend {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match &$self.backend {
            StoreBackend::Memory(memory) => memory.$method($($argument),*),
            StoreBackend::File(file) => file.$method($($argument),*).await,
            StoreBackend::Redis(redis) => redis.$method($($argument),*).await,
        }
    };
}

impl KeyvalueStore {
    /// Opens the store. A store in memory is empty. A store in Redis connects at the first operation. A store in a file
    /// belongs to this process until it is dropped.
    ///
    /// # Errors
    /// If another process has the file open, or the file cannot be used.
    pub fn open(config: &KeyvalueConfig) -> Result<Self, StoreOpenError> {
        let backend = match &config.backend {
            KeyvalueBackend::Memory => StoreBackend::Memory(MemoryStore::default()),
            KeyvalueBackend::File { folder } => StoreBackend::File(FileStore::open(folder)?),
            KeyvalueBackend::Redis { host, prefix, room_lease } => {
                let store = RedisStore::new(RedisHost::clone(host), prefix.clone(), *room_lease);
                StoreBackend::Redis(Box::new(store))
            }
        };
        Ok(Self::with_backend(config, backend))
    }

    /// Creates an empty store in memory, with the limits of the configuration.
    #[must_use]
    pub fn in_memory(config: &KeyvalueConfig) -> Self {
        Self::with_backend(config, StoreBackend::Memory(MemoryStore::default()))
    }

    fn with_backend(config: &KeyvalueConfig, backend: StoreBackend) -> Self {
        Self { backend, limits: StoreLimits::new(config) }
    }

    /// Returns the value of a key; `None` if the bucket does not have the key.
    ///
    /// # Errors
    /// If the key is empty or too long, or the store does not respond.
    pub async fn get(&self, bucket: &Bucket, key: &str) -> Result<Option<Vec<u8>>, KeyvalueError> {
        self.limits.check_key(bucket, key)?;
        on_backend!(self.get(bucket, key))
    }

    /// Returns the values of keys, in the order of the keys. All are read at one moment.
    ///
    /// # Errors
    /// As [`KeyvalueStore::get`], and if there are more than [`MAX_BATCH_KEYS`](crate::MAX_BATCH_KEYS) keys, or the
    /// values have more than [`MAX_BATCH_BYTES`](crate::MAX_BATCH_BYTES) together.
    pub async fn get_many(
        &self,
        bucket: &Bucket,
        keys: &[String],
    ) -> Result<Vec<Option<Vec<u8>>>, KeyvalueError> {
        self.limits.check_keys(bucket, keys)?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        on_backend!(self.get_many(bucket, keys))
    }

    /// Returns whether the bucket has a key.
    ///
    /// # Errors
    /// As [`KeyvalueStore::get`].
    pub async fn exists(&self, bucket: &Bucket, key: &str) -> Result<bool, KeyvalueError> {
        self.limits.check_key(bucket, key)?;
        on_backend!(self.exists(bucket, key))
    }

    /// Returns the time until a key expires.
    ///
    /// # Errors
    /// As [`KeyvalueStore::get`].
    pub async fn ttl(&self, bucket: &Bucket, key: &str) -> Result<KeyTtl, KeyvalueError> {
        self.limits.check_key(bucket, key)?;
        on_backend!(self.ttl(bucket, key))
    }

    /// Returns a page of the keys of a bucket. `cursor` is the one of the page before; `None` starts with the first
    /// page.
    ///
    /// # Errors
    /// As [`KeyvalueStore::list`].
    pub async fn keys(&self, bucket: &Bucket, cursor: Option<&str>) -> Result<Page, KeyvalueError> {
        self.list(bucket, "", cursor, MAX_PAGE_KEYS).await
    }

    /// Returns a page of the keys of a bucket that begin with `prefix`. `cursor` is the one of the page before; `None`
    /// starts with the first page. A page has about `limit` keys at most, and never more than some thousand.
    ///
    /// In memory and in a file, pages are in ascending order of the bytes of the keys, and a page has at most `limit`
    /// keys. In Redis they are in no order, a key may come twice, and a page may have some keys more. On every backend a
    /// key that is there from the first page to the last is in one of them.
    ///
    /// # Errors
    /// If the prefix is longer than a key may be, the store did not return the cursor, or the store does not respond.
    pub async fn list(
        &self,
        bucket: &Bucket,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, KeyvalueError> {
        if !prefix.is_empty() {
            self.limits.check_key(bucket, prefix)?;
        }
        let limit = limit.clamp(1, MAX_PAGE_KEYS);
        on_backend!(self.list(bucket, prefix, cursor, limit))
    }

    /// Sets the value of a key, and replaces the value that it has. The key does not expire.
    ///
    /// # Errors
    /// If the key is empty, the key or the value is too long, the tenant would exceed its quota, or the store does not
    /// respond.
    pub async fn set(
        &self,
        bucket: &Bucket,
        key: &str,
        value: Vec<u8>,
        quota_chain: &QuotaChain,
    ) -> Result<(), KeyvalueError> {
        self.set_entry(bucket, key, value, None, quota_chain).await
    }

    /// Sets the value of a key, which expires after `ttl`.
    ///
    /// # Errors
    /// As [`KeyvalueStore::set`], and if `ttl` is less than a millisecond or more than 100 years.
    pub async fn set_with_ttl(
        &self,
        bucket: &Bucket,
        key: &str,
        value: Vec<u8>,
        ttl: Duration,
        quota_chain: &QuotaChain,
    ) -> Result<(), KeyvalueError> {
        check_ttl(ttl)?;
        self.set_entry(bucket, key, value, Some(ttl), quota_chain).await
    }

    async fn set_entry(
        &self,
        bucket: &Bucket,
        key: &str,
        value: Vec<u8>,
        ttl: Option<Duration>,
        quota_chain: &QuotaChain,
    ) -> Result<(), KeyvalueError> {
        self.limits.check_key(bucket, key)?;
        self.limits.check_value(bucket, &value)?;
        let quota = self.limits.quota_bytes(bucket, quota_chain);
        let entries = vec![(key.to_owned(), value)];
        record_quota_hit(on_backend!(self.set(bucket, entries, ttl, quota)), quota_chain)
    }

    /// Sets the values of keys, all of them or none. Of two entries with one key the last one counts. The keys do not
    /// expire.
    ///
    /// # Errors
    /// As [`KeyvalueStore::set`], and if there are more than [`MAX_BATCH_KEYS`](crate::MAX_BATCH_KEYS) keys, or the
    /// values have more than [`MAX_BATCH_BYTES`](crate::MAX_BATCH_BYTES) together.
    pub async fn set_many(
        &self,
        bucket: &Bucket,
        entries: Vec<(String, Vec<u8>)>,
        quota_chain: &QuotaChain,
    ) -> Result<(), KeyvalueError> {
        check_batch_keys(entries.len())?;
        check_batch_bytes(entries.iter().map(|(_, value)| value.len()).sum())?;
        for (key, value) in &entries {
            self.limits.check_key(bucket, key)?;
            self.limits.check_value(bucket, value)?;
        }
        let entries: BTreeMap<_, _> = entries.into_iter().collect();
        let entries: Vec<_> = entries.into_iter().collect();
        if entries.is_empty() {
            return Ok(());
        }
        let quota = self.limits.quota_bytes(bucket, quota_chain);
        record_quota_hit(on_backend!(self.set(bucket, entries, None, quota)), quota_chain)
    }

    /// Deletes a key if the bucket has it.
    ///
    /// # Errors
    /// As [`KeyvalueStore::get`].
    pub async fn delete(&self, bucket: &Bucket, key: &str) -> Result<(), KeyvalueError> {
        self.limits.check_key(bucket, key)?;
        on_backend!(self.delete(bucket, &[key]))
    }

    /// Deletes the keys that the bucket has, at one moment.
    ///
    /// # Errors
    /// As [`KeyvalueStore::get`], and if there are more than [`MAX_BATCH_KEYS`](crate::MAX_BATCH_KEYS) keys.
    pub async fn delete_many(&self, bucket: &Bucket, keys: &[String]) -> Result<(), KeyvalueError> {
        self.limits.check_keys(bucket, keys)?;
        if keys.is_empty() {
            return Ok(());
        }
        on_backend!(self.delete(bucket, keys))
    }

    /// Adds `delta` to the integer that a key has, atomically, and returns the sum. A missing key counts as 0. A key
    /// that expires keeps its time.
    ///
    /// # Errors
    /// As [`KeyvalueStore::set`], and if the value is not an integer or the sum does not fit 64 bits.
    pub async fn increment(
        &self,
        bucket: &Bucket,
        key: &str,
        delta: i64,
        quota_chain: &QuotaChain,
    ) -> Result<i64, KeyvalueError> {
        self.limits.check_key(bucket, key)?;
        let quota = self.limits.quota_bytes(bucket, quota_chain);
        record_quota_hit(on_backend!(self.increment(bucket, key, delta, quota)), quota_chain)
    }

    /// Sets the value of a key if the key has the value `expected`, where `None` is for a missing key. Returns whether
    /// the value was set. A key that expires keeps its time.
    ///
    /// # Errors
    /// As [`KeyvalueStore::set`].
    pub async fn compare_and_set(
        &self,
        bucket: &Bucket,
        key: &str,
        expected: Option<&[u8]>,
        value: Vec<u8>,
        quota_chain: &QuotaChain,
    ) -> Result<bool, KeyvalueError> {
        self.limits.check_key(bucket, key)?;
        self.limits.check_value(bucket, &value)?;
        let quota = self.limits.quota_bytes(bucket, quota_chain);
        let result = on_backend!(self.compare_and_set(bucket, key, expected, value, quota));
        record_quota_hit(result, quota_chain)
    }

    /// Sets the time after which a key expires; with `None` it does not expire. Returns whether the bucket has the key.
    ///
    /// # Errors
    /// As [`KeyvalueStore::get`], and if `ttl` is less than a millisecond or more than 100 years.
    pub async fn set_ttl(
        &self,
        bucket: &Bucket,
        key: &str,
        ttl: Option<Duration>,
    ) -> Result<bool, KeyvalueError> {
        self.limits.check_key(bucket, key)?;
        ttl.map_or(Ok(()), check_ttl)?;
        on_backend!(self.set_ttl(bucket, key, ttl))
    }

    /// Returns the bytes that the buckets of a tenant count for. For Redis this is the number after the last change by
    /// this host, and `None` before its first change.
    pub fn used_bytes(&self, tenant: &Tenant) -> Option<u64> {
        match &self.backend {
            StoreBackend::Memory(memory) => Some(memory.used_bytes(tenant)),
            StoreBackend::File(file) => Some(file.used_bytes(tenant)),
            StoreBackend::Redis(redis) => redis.used_bytes(tenant),
        }
    }

    /// Returns the most bytes in the buckets of a tenant without a limit of its own.
    pub fn default_quota_bytes(&self) -> u64 {
        self.limits.default_quota_bytes as u64
    }

    /// Returns whether the store takes writes. Only a store in a file can stop taking them.
    pub fn condition(&self) -> StoreCondition {
        match &self.backend {
            StoreBackend::File(file) => file.condition(),
            StoreBackend::Memory(_) | StoreBackend::Redis(_) => StoreCondition::Healthy,
        }
    }

    /// Returns the store in a file, which can be backed up and compacted; `None` for another backend.
    pub fn file(&self) -> Option<&FileStore> {
        match &self.backend {
            StoreBackend::File(file) => Some(file),
            StoreBackend::Memory(_) | StoreBackend::Redis(_) => None,
        }
    }
}

/// Counts a result that exceeds the quota, and returns it.
pub(crate) fn record_quota_hit<T>(
    result: Result<T, KeyvalueError>,
    quota_chain: &QuotaChain,
) -> Result<T, KeyvalueError> {
    if let Err(KeyvalueError::QuotaExceeded { .. }) = result {
        quota_chain.record_limit_hit(LimitKind::Keyvalue);
    }
    result
}
