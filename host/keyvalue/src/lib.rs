//! What plugins keep beyond their instances: buckets of keys and values, a tenant's own, in this process's memory or in
//! a Redis that hosts share.

mod bucket;
mod error;
mod memory;
mod redis;

pub use bucket::{Bucket, Page};
pub use error::KeyvalueError;

use narrowboat_config::{KeyvalueBackend, KeyvalueConfig, RedisHost};
use narrowboat_core::name::Tenant;
use narrowboat_quota::{LimitKind, QuotaChain};

use self::memory::MemoryStore;
use self::redis::RedisStore;

/// What an entry counts for beside its key, its value and its bucket's name: what keeping it takes, about.
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// Keys that are told at once.
const MAX_PAGE_KEYS: usize = 1_000;

/// What plugins keep, and its bounds.
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
    /// With nothing in it, or with what its Redis has, which is not asked before a plugin asks.
    #[must_use]
    pub fn open(config: &KeyvalueConfig) -> Self {
        Self {
            backend: match &config.backend {
                KeyvalueBackend::Memory => StoreBackend::Memory(MemoryStore::default()),
                KeyvalueBackend::Redis { host, prefix } => {
                    let host = RedisHost::clone(host);
                    StoreBackend::Redis(Box::new(RedisStore::new(host, prefix.clone())))
                }
            },
            default_quota_bytes: config.quota.bytes(),
            max_value_bytes: config.max_value.bytes(),
            max_key_bytes: config.max_key.bytes(),
        }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// When the key is too long, or there is no answer.
    pub async fn get(&self, bucket: &Bucket, key: &str) -> Result<Option<Vec<u8>>, KeyvalueError> {
        self.check_key(key)?;
        match &self.backend {
            StoreBackend::Memory(memory) => Ok(memory.get(bucket, key)),
            StoreBackend::Redis(redis) => redis.get(bucket, key).await,
        }
    }

    /// Gives a key a value, whatever it had before.
    ///
    /// # Errors
    /// When one of them is too long, the tenant would keep more than it may, or there is no answer.
    pub async fn set(
        &self,
        bucket: &Bucket,
        key: &str,
        value: Vec<u8>,
        allowance: &QuotaChain,
    ) -> Result<(), KeyvalueError> {
        self.check_key(key)?;
        if value.len() > self.max_value_bytes {
            return Err(KeyvalueError::ValueTooLong {
                len: value.len(),
                most: self.max_value_bytes,
            });
        }
        let quota = self.quota_bytes(allowance);
        let answer = match &self.backend {
            StoreBackend::Memory(memory) => memory.set(bucket, key, value, quota),
            StoreBackend::Redis(redis) => redis.set(bucket, key, value, quota).await,
        };
        record_quota_hit(answer, allowance)
    }

    /// Takes a key away, if it is there.
    ///
    /// # Errors
    /// As [`Keyvalue::get`].
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

    /// Whether a key has a value.
    ///
    /// # Errors
    /// As [`Keyvalue::get`].
    pub async fn exists(&self, bucket: &Bucket, key: &str) -> Result<bool, KeyvalueError> {
        self.check_key(key)?;
        match &self.backend {
            StoreBackend::Memory(memory) => Ok(memory.exists(bucket, key)),
            StoreBackend::Redis(redis) => redis.exists(bucket, key).await,
        }
    }

    /// Some keys of a bucket, in no order, and where to go on.
    ///
    /// # Errors
    /// When the cursor is none that was told, or there is no answer.
    pub async fn keys(&self, bucket: &Bucket, from: Option<&str>) -> Result<Page, KeyvalueError> {
        match &self.backend {
            StoreBackend::Memory(memory) => Ok(memory.keys(bucket, from)),
            StoreBackend::Redis(redis) => redis.keys(bucket, from).await,
        }
    }

    /// Adds to a number, in one go whoever else does; it answers with what it has become.
    ///
    /// # Errors
    /// As [`Keyvalue::set`], and when the value is no number or would be none.
    pub async fn increment(
        &self,
        bucket: &Bucket,
        key: &str,
        delta: i64,
        allowance: &QuotaChain,
    ) -> Result<i64, KeyvalueError> {
        self.check_key(key)?;
        let quota = self.quota_bytes(allowance);
        let answer = match &self.backend {
            StoreBackend::Memory(memory) => memory.increment(bucket, key, delta, quota),
            StoreBackend::Redis(redis) => redis.increment(bucket, key, delta, quota).await,
        };
        record_quota_hit(answer, allowance)
    }

    /// Bytes that a tenant's buckets count for. In a Redis they are those of this host's last change, and `None` before the
    /// first.
    pub fn used_bytes(&self, tenant: &Tenant) -> Option<u64> {
        match &self.backend {
            StoreBackend::Memory(memory) => Some(memory.used_bytes(tenant)),
            StoreBackend::Redis(redis) => redis.used_bytes(tenant),
        }
    }

    /// What its tenant was told it may keep, or what all may that were told nothing.
    fn quota_bytes(&self, allowance: &QuotaChain) -> usize {
        allowance.keyvalue_bytes_limit().unwrap_or(self.default_quota_bytes)
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

/// An answer, of which it is counted if the tenant has come to its quota.
fn record_quota_hit<T>(
    answer: Result<T, KeyvalueError>,
    allowance: &QuotaChain,
) -> Result<T, KeyvalueError> {
    if let Err(KeyvalueError::QuotaExceeded { .. }) = answer {
        allowance.record_limit_hit(LimitKind::Keyvalue);
    }
    answer
}
