//! An open file of redb.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Builder, Database, ReadableDatabase, TableError, WriteTransaction};

use super::disk_file::DiskFile;
use super::format_upgrade;
use super::guarded_file::{FailureSlot, GuardedFile};
use super::storage_failure::StorageFailure;
use super::tables::{ENTRIES, EXPIRIES, FORMAT, FORMAT_KEY, FORMAT_VERSION, USAGE};
use crate::StoreOpenError;

/// The memory of redb's cache of pages. The system's page cache is behind it.
const CACHE_BYTES: usize = 32 << 20;

/// Runs an operation on a file that may be damaged, on which redb panics at many places.
///
/// # Errors
/// If it panics. The caller must not use the database any more.
pub(super) fn catch_damage<T>(
    path: &Path,
    operation: impl FnOnce() -> T,
) -> Result<T, StoreOpenError> {
    let result = std::panic::catch_unwind(AssertUnwindSafe(operation));
    result.map_err(|_| StoreOpenError::Damaged {
        path: path.to_owned(),
        problem: "its pages are damaged; the log has the place".to_owned(),
    })
}

/// An open file of redb, and its failure.
#[derive(Debug)]
pub(super) struct OpenDatabase {
    database: Database,
    failure: Arc<FailureSlot>,
    /// The path, for errors.
    path: PathBuf,
}

impl OpenDatabase {
    /// Opens a file, checks it if a host was killed, and creates the tables of an empty file.
    ///
    /// # Errors
    /// If the file is damaged, is not a store, or cannot be read or written. `path` is for the error.
    pub(super) fn open(file: Box<dyn DiskFile>, path: &Path) -> Result<Self, StoreOpenError> {
        let failure = Arc::new(FailureSlot::default());
        let backend = GuardedFile::new(file, Arc::clone(&failure));
        let opened = Self::open_unchecked(backend, &failure, path);
        // redb reads back what a failing disk has not taken, and takes the file for damaged.
        if let Some(failure) = failure.failure() {
            return Err(StoreOpenError::System { path: path.to_owned(), source: failure.into() });
        }
        match opened? {
            (opened, FORMAT_VERSION) => Ok(opened),
            (_, format) => Err(StoreOpenError::LaterFormat { path: path.to_owned(), format }),
        }
    }

    /// Opens a file whose disk may fail meanwhile. Returns the version of the format too.
    fn open_unchecked(
        backend: GuardedFile,
        failure: &Arc<FailureSlot>,
        path: &Path,
    ) -> Result<(Self, u64), StoreOpenError> {
        let damaged = |error: redb::Error| StoreOpenError::Damaged {
            path: path.to_owned(),
            problem: format!("the file is damaged or not a key-value store ({error})"),
        };
        let create = || Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend);
        let database = catch_damage(path, create)?.map_err(|error| damaged(error.into()))?;
        let opened = Self { database, failure: Arc::clone(failure), path: path.to_owned() };
        let format = catch_damage(path, || opened.create_tables())?.map_err(damaged)?;
        Ok((opened, format))
    }

    /// Creates the tables of an empty file, and upgrades a file of an earlier format. Returns the version of the format.
    fn create_tables(&self) -> Result<u64, redb::Error> {
        match self.begin_read()?.open_table(FORMAT) {
            Ok(table) => {
                let format = table.get(FORMAT_KEY)?;
                return self.upgrade(format.map_or(FORMAT_VERSION, |format| format.value()));
            }
            Err(TableError::TableDoesNotExist(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let transaction = self.begin_write()?;
        transaction.open_table(FORMAT)?.insert(FORMAT_KEY, FORMAT_VERSION)?;
        transaction.open_table(ENTRIES)?;
        transaction.open_table(EXPIRIES)?;
        transaction.open_table(USAGE)?;
        transaction.commit()?;
        Ok(FORMAT_VERSION)
    }

    /// Upgrades a file of an earlier format. Returns the version of the format.
    fn upgrade(&self, format: u64) -> Result<u64, redb::Error> {
        if format != 1 {
            return Ok(format);
        }
        let transaction = self.begin_write()?;
        format_upgrade::upgrade_from_1(&transaction)?;
        transaction.commit()?;
        Ok(FORMAT_VERSION)
    }

    /// Returns the first failure of the disk.
    pub(super) fn failure(&self) -> Option<StorageFailure> {
        self.failure.failure()
    }

    pub(super) fn begin_read(&self) -> Result<redb::ReadTransaction, redb::Error> {
        Ok(self.database.begin_read()?)
    }

    /// Begins a transaction. It is durable when its commit has returned and there is no [`OpenDatabase::failure`].
    pub(super) fn begin_write(&self) -> Result<WriteTransaction, redb::Error> {
        Ok(self.database.begin_write()?)
    }

    /// Checks all checksums, and closes the file. Returns whether they are right.
    pub(super) fn check(mut self) -> Result<bool, StoreOpenError> {
        let checked = catch_damage(&self.path, || self.database.check_integrity())?;
        checked.map_err(|error| StoreOpenError::Damaged {
            path: self.path,
            problem: error.to_string(),
        })
    }

    /// Stops accepting writes.
    pub(super) fn fail(&self, failure: StorageFailure) {
        self.failure.record(failure);
    }
}
