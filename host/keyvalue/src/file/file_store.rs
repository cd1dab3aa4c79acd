//! The key-value store in a file.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

use super::copy;
use super::entry_key::{entry_key, owner_name};
use super::entry_value::wall_now;
use super::open_database::{OpenDatabase, catch_damage};
use super::shared_state::SharedState;
use super::snapshot::Snapshot;
use super::store_folder::StoreFolder;
use super::write_request::{Change, Outcome, PendingChange, WriteRequest, writer_gone};
use super::writer::Writer;
use crate::bucket::BucketOwner;
use crate::expiry_change::ExpiryChange;
use crate::{Bucket, KeyTtl, KeyvalueError, Page, StoreCondition, StoreOpenError};
use narrowboat_core::name::Tenant;

/// The changes that may wait for the writer thread: one for each, and one more for each KiB.
const QUEUE_ROOM: usize = 32 * 1024;

/// A key-value store in a file.
///
/// Readers share a snapshot of the last commit, and do not wait for the writer thread. A read of one key touches a
/// few pages, which are in redb's cache or in the system's page cache, so it runs where it is called. Reads of many keys
/// run on a thread for blocking work.
#[derive(Debug)]
pub struct FileStore {
    folder: Arc<StoreFolder>,
    shared: Arc<SharedState>,
    requests: Sender<WriteRequest>,
    /// The room for changes that wait, so that the queue has a bound.
    room: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
}

impl FileStore {
    /// Opens the store of a folder. No other process can open it until the store is dropped.
    ///
    /// # Errors
    /// If another process has the store open, or the file cannot be used.
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreOpenError> {
        Self::start(StoreFolder::open(folder)?)
    }

    fn start(folder: StoreFolder) -> Result<Self, StoreOpenError> {
        let folder = Arc::new(folder);
        let path = folder.file();
        let file = folder.open_file();
        let file = file.map_err(|source| StoreOpenError::System { path: path.clone(), source })?;
        let database = Arc::new(OpenDatabase::open(file, &path)?);
        let damaged = |problem: &dyn std::fmt::Display| StoreOpenError::Damaged {
            path: path.clone(),
            problem: problem.to_string(),
        };
        let read = || {
            let snapshot = Snapshot::take(&database)?;
            let usage = snapshot.usage()?;
            Ok((snapshot, usage))
        };
        let read: Result<_, KeyvalueError> = catch_damage(&path, read)?;
        let (snapshot, usage) = read.map_err(|error| damaged(&error))?;
        let shared = Arc::new(SharedState::new(snapshot, usage.clone()));
        let (requests, receiver) = channel();
        let writer = Writer::new(Arc::clone(&folder), Arc::clone(&shared), database, usage);
        let thread = std::thread::Builder::new().name("keyvalue".to_owned());
        let thread =
            thread.spawn(move || writer.run(&receiver)).map_err(StoreOpenError::NoThread)?;
        let room = Arc::new(Semaphore::new(QUEUE_ROOM));
        Ok(Self { folder, shared, requests, room, thread: Some(thread) })
    }

    #[expect(clippy::unused_async, reason = "a store in Redis has the same method")]
    pub(crate) async fn get(
        &self,
        bucket: &Bucket,
        key: &str,
    ) -> Result<Option<Vec<u8>>, KeyvalueError> {
        self.shared.snapshot().find(bucket, key, wall_now(), |_, value| value.to_vec())
    }

    #[expect(clippy::unused_async, reason = "a store in Redis has the same method")]
    pub(crate) async fn exists(&self, bucket: &Bucket, key: &str) -> Result<bool, KeyvalueError> {
        let found = self.shared.snapshot().find(bucket, key, wall_now(), |_, _| ());
        Ok(found?.is_some())
    }

    #[expect(clippy::unused_async, reason = "a store in Redis has the same method")]
    pub(crate) async fn ttl(&self, bucket: &Bucket, key: &str) -> Result<KeyTtl, KeyvalueError> {
        self.shared.snapshot().ttl(bucket, key, wall_now())
    }

    pub(crate) async fn get_many(
        &self,
        bucket: &Bucket,
        keys: &[String],
    ) -> Result<Vec<Option<Vec<u8>>>, KeyvalueError> {
        let (snapshot, bucket, keys) = (self.shared.snapshot(), bucket.clone(), keys.to_vec());
        blocking(move || snapshot.get_many(&bucket, &keys, wall_now())).await
    }

    pub(crate) async fn list(
        &self,
        bucket: &Bucket,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, KeyvalueError> {
        let (snapshot, bucket) = (self.shared.snapshot(), bucket.clone());
        let (prefix, cursor) = (prefix.to_owned(), cursor.map(str::to_owned));
        blocking(move || snapshot.list(&bucket, &prefix, cursor.as_deref(), limit, wall_now()))
            .await
    }

    /// Sets all entries or none.
    pub(crate) async fn set(
        &self,
        bucket: &Bucket,
        entries: Vec<(String, Vec<u8>)>,
        ttl: Option<Duration>,
        quota: usize,
    ) -> Result<(), KeyvalueError> {
        let entries =
            entries.into_iter().map(|(key, value)| (entry_key(bucket, &key), value)).collect();
        self.change(Change::Set { entries, ttl, quota: quota as u64 }).await.map(drop)
    }

    pub(crate) async fn delete(
        &self,
        bucket: &Bucket,
        keys: &[impl AsRef<str>],
    ) -> Result<(), KeyvalueError> {
        let keys = keys.iter().map(|key| entry_key(bucket, key.as_ref())).collect();
        self.change(Change::Delete { keys }).await.map(drop)
    }

    pub(crate) async fn increment(
        &self,
        bucket: &Bucket,
        key: &str,
        delta: i64,
        quota: usize,
    ) -> Result<i64, KeyvalueError> {
        let key = entry_key(bucket, key);
        match self.change(Change::Increment { key, delta, quota: quota as u64 }).await? {
            Outcome::Sum(sum) => Ok(sum),
            Outcome::Done | Outcome::Matched(_) => Err(writer_gone()),
        }
    }

    pub(crate) async fn compare_and_set(
        &self,
        bucket: &Bucket,
        key: &str,
        expected: Option<&[u8]>,
        value: Vec<u8>,
        quota: usize,
    ) -> Result<bool, KeyvalueError> {
        let (key, expected) = (entry_key(bucket, key), expected.map(<[u8]>::to_vec));
        let change = Change::CompareAndSet { key, expected, value, quota: quota as u64 };
        Ok(self.change(change).await? == Outcome::Matched(true))
    }

    pub(crate) async fn set_ttl(
        &self,
        bucket: &Bucket,
        key: &str,
        ttl: Option<Duration>,
    ) -> Result<bool, KeyvalueError> {
        let change = ttl.map_or(ExpiryChange::Clear, ExpiryChange::Set);
        let change = Change::SetTtl { key: entry_key(bucket, key), change };
        Ok(self.change(change).await? == Outcome::Matched(true))
    }

    /// Returns the bytes that the buckets of a tenant count for.
    pub(crate) fn used_bytes(&self, tenant: &Tenant) -> u64 {
        let owner = BucketOwner::Tenant(tenant.clone());
        self.shared.used_bytes(owner_name(&owner).as_bytes())
    }

    /// Returns whether the store takes writes.
    pub(crate) fn condition(&self) -> StoreCondition {
        self.shared.condition()
    }

    /// Writes a consistent copy of the store into a file, which is removed when it is dropped. Operations go on meanwhile.
    ///
    /// # Errors
    /// If the disk is full or fails.
    pub async fn back_up(&self) -> Result<tempfile::NamedTempFile, KeyvalueError> {
        let (folder, snapshot) = (Arc::clone(&self.folder), self.shared.snapshot());
        blocking(move || {
            let failed = |error: std::io::Error| KeyvalueError::Unavailable(error.to_string());
            let file = folder.partial_file().map_err(failed)?;
            let on_disk = folder.on_disk(file.reopen().map_err(failed)?);
            copy::copy_entries(&snapshot, on_disk, file.path())?;
            Ok(file)
        })
        .await
    }

    /// Writes all entries into a new file, which has no unused pages. Reads go on meanwhile, and writes wait. Returns the
    /// bytes of the file before and after.
    ///
    /// # Errors
    /// If the store takes no writes, or the disk is full or fails.
    pub async fn compact(&self) -> Result<(u64, u64), KeyvalueError> {
        let (reply, result) = oneshot::channel();
        self.requests.send(WriteRequest::Compact(reply)).map_err(|_| writer_gone())?;
        result.await.map_err(|_| writer_gone())?
    }

    /// Sends a change to the writer thread, and waits until it is on the disk.
    async fn change(&self, change: Change) -> Result<Outcome, KeyvalueError> {
        let room = u32::try_from(change_room(&change).min(QUEUE_ROOM)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(room).await;
        let room = room.map_err(|_| writer_gone())?;
        let (reply, result) = oneshot::channel();
        let pending = PendingChange { change, reply, _room: room };
        self.requests.send(WriteRequest::Change(pending)).map_err(|_| writer_gone())?;
        result.await.map_err(|_| writer_gone())?
    }
}

impl Drop for FileStore {
    /// Waits for the writer thread, so that another store can open the folder.
    fn drop(&mut self) {
        let _ = self.requests.send(WriteRequest::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Returns the room that a change takes in the queue.
fn change_room(change: &Change) -> usize {
    let bytes = match change {
        Change::Set { entries, .. } => {
            entries.iter().map(|(key, value)| key.len() + value.len()).sum()
        }
        Change::Delete { keys } => keys.iter().map(Vec::len).sum(),
        Change::Increment { key, .. } | Change::SetTtl { key, .. } => key.len(),
        Change::CompareAndSet { key, expected, value, .. } => {
            key.len() + expected.as_ref().map_or(0, Vec::len) + value.len()
        }
    };
    1 + bytes / 1_024
}

/// Runs a read that may take long on a thread for blocking work.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeyvalueError> + Send + 'static,
) -> Result<T, KeyvalueError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| writer_gone())?
}

#[cfg(test)]
mod tests;
