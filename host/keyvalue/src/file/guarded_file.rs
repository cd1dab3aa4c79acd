//! The file under redb, which stops writing at the first failure.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use redb::StorageBackend;

use super::disk_file::DiskFile;
use super::storage_failure::StorageFailure;

/// The first failure of a file, if there was one.
#[derive(Debug, Default)]
pub(super) struct FailureSlot(Mutex<Option<StorageFailure>>);

impl FailureSlot {
    /// Returns the first failure.
    pub(super) fn failure(&self) -> Option<StorageFailure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn has_failed(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Records a failure, unless there was one before.
    pub(super) fn record(&self, failure: StorageFailure) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }
}

/// A file of redb.
///
/// After an error of its file, redb fails every operation, reads included. So this backend keeps errors of writes from
/// redb: it records the first one in a [`FailureSlot`] and discards all writes from then on. Pages of earlier commits
/// are never overwritten while a reader has them, so readers go on. The writer looks at the slot after each commit, and
/// acknowledges none that came after the failure. The file keeps the state of the commit before, and is not marked as
/// closed, so that the next open checks it.
#[derive(Debug)]
pub(super) struct GuardedFile {
    file: Box<dyn DiskFile>,
    failure: Arc<FailureSlot>,
}

impl GuardedFile {
    pub(super) fn new(file: Box<dyn DiskFile>, failure: Arc<FailureSlot>) -> Self {
        Self { file, failure }
    }

    fn write_unless_failed(
        &self,
        write: impl FnOnce(&dyn DiskFile) -> io::Result<()>,
        classify: fn(&io::Error) -> StorageFailure,
    ) -> io::Result<()> {
        if self.failure.has_failed() {
            return Ok(());
        }
        if let Err(error) = write(&*self.file) {
            self.failure.record(classify(&error));
        }
        Ok(())
    }
}

impl StorageBackend for GuardedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.write_unless_failed(|file| file.set_len(len), StorageFailure::of_write)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.write_unless_failed(|file| file.sync(), StorageFailure::of_sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_unless_failed(|file| file.write_at(offset, data), StorageFailure::of_write)
    }
}
