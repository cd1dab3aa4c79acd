//! The limits of a key-value store.

use std::time::Duration;

use narrowboat_config::KeyvalueConfig;
use narrowboat_quota::QuotaChain;

use crate::batch::check_batch_keys;
use crate::{Bucket, KeyvalueError};

/// The longest time to live.
const MAX_TTL: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// The shortest time to live.
const MIN_TTL: Duration = Duration::from_millis(1);

/// The limits of keys, values and tenants.
#[derive(Debug)]
pub(crate) struct StoreLimits {
    pub(crate) default_quota_bytes: usize,
    max_value_bytes: usize,
    max_key_bytes: usize,
}

impl StoreLimits {
    pub(crate) fn new(config: &KeyvalueConfig) -> Self {
        Self {
            default_quota_bytes: config.quota.bytes(),
            max_value_bytes: config.max_value.bytes(),
            max_key_bytes: config.max_key.bytes(),
        }
    }

    /// Returns the quota of the tenant, or the default quota. The buckets of the host have none.
    pub(crate) fn quota_bytes(&self, bucket: &Bucket, quota_chain: &QuotaChain) -> usize {
        match bucket.is_system() {
            true => usize::MAX,
            false => quota_chain.keyvalue_bytes_limit().unwrap_or(self.default_quota_bytes),
        }
    }

    /// Checks the keys of a batch.
    pub(crate) fn check_keys(&self, bucket: &Bucket, keys: &[String]) -> Result<(), KeyvalueError> {
        check_batch_keys(keys.len())?;
        keys.iter().try_for_each(|key| self.check_key(bucket, key))
    }

    /// Checks a key. The operator's limit is for plugins, and not for what the host writes.
    pub(crate) fn check_key(&self, bucket: &Bucket, key: &str) -> Result<(), KeyvalueError> {
        let (len, most) = (key.len(), self.max_key_bytes);
        match len {
            0 => Err(KeyvalueError::EmptyKey),
            _ if len > most && !bucket.is_written_by_host() => {
                Err(KeyvalueError::KeyTooLong { len, most })
            }
            _ => Ok(()),
        }
    }

    /// Checks a value. The operator's limit is for plugins, and not for what the host writes.
    pub(crate) fn check_value(&self, bucket: &Bucket, value: &[u8]) -> Result<(), KeyvalueError> {
        let (len, most) = (value.len(), self.max_value_bytes);
        match len > most && !bucket.is_written_by_host() {
            true => Err(KeyvalueError::ValueTooLong { len, most }),
            false => Ok(()),
        }
    }
}

/// Checks a time to live.
pub(crate) fn check_ttl(ttl: Duration) -> Result<(), KeyvalueError> {
    if (MIN_TTL..=MAX_TTL).contains(&ttl) { Ok(()) } else { Err(KeyvalueError::InvalidTtl) }
}
