//! Copies of a store, for backups and for compaction.

use std::io::ErrorKind;
use std::path::Path;

use redb::ReadableTable;

use super::disk_file::DiskFile;
use super::entry_value::{NEVER, decode_value};
use super::expiry_index::expiry_key;
use super::open_database::OpenDatabase;
use super::snapshot::Snapshot;
use super::storage_failure::StorageFailure;
use super::tables::{ENTRIES, EXPIRIES, USAGE};
use crate::{KeyvalueError, StoreOpenError};

/// The entries that are copied in one transaction.
const COPY_ENTRIES: usize = 4_096;

/// The bytes of entries after which a transaction ends.
const COPY_BYTES: usize = 8 << 20;

/// Copies the entries of a snapshot, and all that is known of them, into an empty file, which is on the disk afterwards.
/// `path` is for errors.
pub(super) fn copy_entries(
    snapshot: &Snapshot,
    file: Box<dyn DiskFile>,
    path: &Path,
) -> Result<(), KeyvalueError> {
    let target = OpenDatabase::open(file, path).map_err(copy_error)?;
    let mut rows = snapshot.entries().iter()?;
    loop {
        let transaction = target.begin_write()?;
        let (mut count, mut bytes) = (0, 0);
        {
            let (mut entries, mut expiries) = (
                transaction.open_table(ENTRIES).map_err(redb::Error::from)?,
                transaction.open_table(EXPIRIES).map_err(redb::Error::from)?,
            );
            for row in rows.by_ref() {
                let (key, value) = row?;
                entries.insert(key.value(), value.value())?;
                let (expiry, _) = decode_value(value.value());
                if expiry != NEVER {
                    expiries.insert(expiry_key(expiry, key.value()).as_slice(), ())?;
                }
                (count, bytes) = (count + 1, bytes + key.value().len() + value.value().len());
                if count == COPY_ENTRIES || bytes >= COPY_BYTES {
                    break;
                }
            }
            if count == 0 {
                let mut usage = transaction.open_table(USAGE).map_err(redb::Error::from)?;
                for (owner, used) in snapshot.usage()? {
                    usage.insert(owner.as_slice(), used)?;
                }
            }
        }
        transaction.commit().map_err(redb::Error::from)?;
        match target.failure() {
            None => {}
            Some(StorageFailure::Full(problem)) => return Err(KeyvalueError::DiskFull(problem)),
            Some(StorageFailure::Lost(problem)) => return Err(KeyvalueError::Unavailable(problem)),
        }
        if count == 0 {
            return Ok(());
        }
    }
}

/// The error of a copy whose file cannot be created.
fn copy_error(error: StoreOpenError) -> KeyvalueError {
    match error {
        StoreOpenError::System { source, .. } if source.kind() == ErrorKind::StorageFull => {
            KeyvalueError::DiskFull(source.to_string())
        }
        error => KeyvalueError::Unavailable(error.to_string()),
    }
}
