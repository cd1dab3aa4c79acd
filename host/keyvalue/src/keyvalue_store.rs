//! The key-value store and its limits.

use narrowboat_config::{KeyvalueBackend, KeyvalueConfig, RedisHost};
use narrowboat_core::name::Tenant;
use narrowboat_quota::{LimitKind, QuotaChain};

use crate::memory_store::MemoryStore;
use crate::redis::RedisStore;
use crate::{Bucket, KeyvalueError, Page};

/// The key-value store of all tenants, and its limits.
#[derive(Debug)]
pub struct KeyvalueStore {
    backend: StoreBackend,
    default_quota_bytes: usize,
    max_value_bytes: usize,
    max_key_bytes: usize,
}

#[derive(Debug)]
enum StoreBackend {
    Memory(MemoryStore),
    Redis(Box<RedisStore>),
}

impl KeyvalueStore {
    /// Opens the store. A store in memory is empty. A store in Redis connects at the first operation.
    #[must_use]
    pub fn open(config: &KeyvalueConfig) -> Self {
        let backend = match &config.backend {
            KeyvalueBackend::Memory => StoreBackend::Memory(MemoryStore::default()),
            KeyvalueBackend::Redis { host, prefix } => {
                let store = RedisStore::new(RedisHost::clone(host), prefix.clone());
                StoreBackend::Redis(Box::new(store))
            }
        };
        Self {
            backend,
            default_quota_bytes: config.quota.bytes(),
            max_value_bytes: config.max_value.bytes(),
            max_key_bytes: config.max_key.bytes(),
        }
    }

    /// Returns the value of a key; `None` if the bucket does not have the key.
    ///
    /// # Errors
    /// If the key is empty or too long, or the store does not respond.
    pub async fn get(&self, bucket: &Bucket, key: &str) -> Result<Option<Vec<u8>>, KeyvalueError> {
        self.check_key(key)?;
        match &self.backend {
            StoreBackend::Memory(memory) => Ok(memory.get(bucket, key)),
            StoreBackend::Redis(redis) => redis.get(bucket, key).await,
        }
    }

    /// Sets the value of a key, and replaces the value that it has.
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
        self.check_key(key)?;
        if value.len() > self.max_value_bytes {
            let (len, most) = (value.len(), self.max_value_bytes);
            return Err(KeyvalueError::ValueTooLong { len, most });
        }
        let quota = self.quota_bytes(quota_chain);
        let result = match &self.backend {
            StoreBackend::Memory(memory) => memory.set(bucket, key, value, quota),
            StoreBackend::Redis(redis) => redis.set(bucket, key, value, quota).await,
        };
        record_quota_hit(result, quota_chain)
    }

    /// Deletes a key if the bucket has it.
    ///
    /// # Errors
    /// As [`KeyvalueStore::get`].
    pub async fn delete(&self, bucket: &Bucket, key: &str) -> Result<(), KeyvalueError> {
        self.check_key(key)?;
        match &self.backend {
            StoreBackend::Memory(memory) => {
                memory.delete(bucket, key);
                Ok(())
            }
            StoreBackend::Redis(redis) => redis.delete(bucket, key).await,
        }
    }

    /// Returns whether the bucket has a key.
    ///
    /// # Errors
    /// As [`KeyvalueStore::get`].
    pub async fn exists(&self, bucket: &Bucket, key: &str) -> Result<bool, KeyvalueError> {
        self.check_key(key)?;
        match &self.backend {
            StoreBackend::Memory(memory) => Ok(memory.exists(bucket, key)),
            StoreBackend::Redis(redis) => redis.exists(bucket, key).await,
        }
    }

    /// Returns a page of the keys of a bucket. `cursor` is the one of the page before; `None` starts with the first
    /// page.
    ///
    /// # Errors
    /// If the store did not return the cursor, or does not respond.
    pub async fn keys(&self, bucket: &Bucket, cursor: Option<&str>) -> Result<Page, KeyvalueError> {
        match &self.backend {
            StoreBackend::Memory(memory) => Ok(memory.keys(bucket, cursor)),
            StoreBackend::Redis(redis) => redis.keys(bucket, cursor).await,
        }
    }

    /// Adds `delta` to the integer that a key has, atomically, and returns the sum. A missing key counts as 0.
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
        self.check_key(key)?;
        let quota = self.quota_bytes(quota_chain);
        let result = match &self.backend {
            StoreBackend::Memory(memory) => memory.increment(bucket, key, delta, quota),
            StoreBackend::Redis(redis) => redis.increment(bucket, key, delta, quota).await,
        };
        record_quota_hit(result, quota_chain)
    }

    /// Returns the bytes that the buckets of a tenant count for. For Redis this is the number after the last change by
    /// this host, and `None` before its first change.
    pub fn used_bytes(&self, tenant: &Tenant) -> Option<u64> {
        match &self.backend {
            StoreBackend::Memory(memory) => Some(memory.used_bytes(tenant)),
            StoreBackend::Redis(redis) => redis.used_bytes(tenant),
        }
    }

    /// Returns the quota of the tenant, or the default quota.
    fn quota_bytes(&self, quota_chain: &QuotaChain) -> usize {
        quota_chain.keyvalue_bytes_limit().unwrap_or(self.default_quota_bytes)
    }

    fn check_key(&self, key: &str) -> Result<(), KeyvalueError> {
        match key.len() {
            0 => Err(KeyvalueError::EmptyKey),
            len if len > self.max_key_bytes => {
                Err(KeyvalueError::KeyTooLong { len, most: self.max_key_bytes })
            }
            _ => Ok(()),
        }
    }
}

/// Counts a result that exceeds the quota, and returns it.
fn record_quota_hit<T>(
    result: Result<T, KeyvalueError>,
    quota_chain: &QuotaChain,
) -> Result<T, KeyvalueError> {
    if let Err(KeyvalueError::QuotaExceeded { .. }) = result {
        quota_chain.record_limit_hit(LimitKind::Keyvalue);
    }
    result
}
