//! The record of a schedule, as this host read or wrote it last.

use std::sync::Arc;
use std::time::Duration;

use narrowboat_keyvalue::KeyvalueError;
use tokio::time::timeout;

use crate::run_record::RunRecord;
use crate::schedule_store::ScheduleStore;

/// The time after which an operation of the store has failed.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// The record of a schedule, as this host read or wrote it last.
pub(crate) struct SharedRecord<S> {
    store: Arc<S>,
    key: String,
    /// The value in the store. `None` if it has none.
    bytes: Option<Vec<u8>>,
    record: Option<RunRecord>,
    is_read: bool,
}

impl<S: ScheduleStore> SharedRecord<S> {
    pub(crate) fn new(store: Arc<S>, key: String) -> Self {
        Self { store, key, bytes: None, record: None, is_read: false }
    }

    /// The same store with another key.
    pub(crate) fn with_key(&self, key: String) -> Self {
        Self::new(Arc::clone(&self.store), key)
    }

    /// Whether the record was read from the store.
    pub(crate) fn is_read(&self) -> bool {
        self.is_read
    }

    /// The record; `None` if the store has none.
    pub(crate) fn get(&self) -> Option<&RunRecord> {
        self.record.as_ref()
    }

    /// Reads the record. One that cannot be parsed counts as missing, and is replaced.
    pub(crate) async fn refresh(&mut self) -> Result<(), KeyvalueError> {
        let bytes = within_time(self.store.get(&self.key)).await?;
        if bytes != self.bytes || !self.is_read {
            self.record = bytes.as_deref().and_then(RunRecord::parse);
            self.bytes = bytes;
        }
        self.is_read = true;
        Ok(())
    }

    /// Replaces the record. Returns `false` if another host has changed it.
    pub(crate) async fn replace(&mut self, next: RunRecord) -> Result<bool, KeyvalueError> {
        let bytes = next.to_bytes();
        let expected = self.bytes.as_deref();
        let replaced = self.store.compare_and_set(&self.key, expected, bytes.clone());
        let is_replaced = within_time(replaced).await?;
        if is_replaced {
            (self.bytes, self.record) = (Some(bytes), Some(next));
        }
        Ok(is_replaced)
    }

    /// Removes the record after a time. A failure does not matter, since each run sets the time again.
    pub(crate) async fn keep_for(&self, ttl: Duration) {
        if let Err(error) = within_time(self.store.set_ttl(&self.key, ttl)).await {
            tracing::debug!(%error, "cannot set the time to live of a schedule's record");
        }
    }
}

async fn within_time<T>(
    operation: impl Future<Output = Result<T, KeyvalueError>>,
) -> Result<T, KeyvalueError> {
    let no_response = || KeyvalueError::Unavailable("no response within 5 s".to_owned());
    timeout(STORE_TIMEOUT, operation).await.unwrap_or_else(|_| Err(no_response()))
}
