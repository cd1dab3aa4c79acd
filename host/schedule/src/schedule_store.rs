//! The place of the records of schedules.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use narrowboat_keyvalue::{Bucket, KeyvalueError, KeyvalueStore};
use narrowboat_quota::QuotaChain;

/// The name of the system bucket.
const BUCKET: &str = "schedules";

/// The place of the records of schedules.
pub trait ScheduleStore: Send + Sync + 'static {
    /// Returns the value of a key.
    ///
    /// # Errors
    /// If the store does not respond.
    fn get(&self, key: &str)
    -> impl Future<Output = Result<Option<Vec<u8>>, KeyvalueError>> + Send;

    /// Sets the value of a key if it has the expected value; `None` expects no value. Returns whether the value was set.
    ///
    /// # Errors
    /// If the store does not respond. The value may have been set all the same.
    fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Vec<u8>,
    ) -> impl Future<Output = Result<bool, KeyvalueError>> + Send;

    /// Removes a key after a time, unless it is set anew.
    ///
    /// # Errors
    /// If the store does not respond.
    fn set_ttl(
        &self,
        key: &str,
        ttl: Duration,
    ) -> impl Future<Output = Result<(), KeyvalueError>> + Send;
}

/// Records in a bucket of the key-value store that no guest can name and no quota counts.
pub struct KeyvalueScheduleStore {
    store: Arc<KeyvalueStore>,
    bucket: Bucket,
    quota: QuotaChain,
}

impl KeyvalueScheduleStore {
    /// The records in a key-value store.
    pub fn new(store: Arc<KeyvalueStore>) -> Self {
        Self { store, bucket: Bucket::system(BUCKET), quota: QuotaChain::default() }
    }
}

impl ScheduleStore for KeyvalueScheduleStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyvalueError> {
        self.store.get(&self.bucket, key).await
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Vec<u8>,
    ) -> Result<bool, KeyvalueError> {
        let Self { store, bucket, quota } = self;
        store.compare_and_set(bucket, key, expected, value, quota).await
    }

    async fn set_ttl(&self, key: &str, ttl: Duration) -> Result<(), KeyvalueError> {
        self.store.set_ttl(&self.bucket, key, Some(ttl)).await.map(drop)
    }
}
