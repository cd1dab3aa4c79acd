//! The restoration of a backup.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use super::open_database::OpenDatabase;
use super::store_folder::StoreFolder;
use crate::StoreOpenError;

/// The first bytes of a file of redb.
const MAGIC: &[u8] = b"redb";

/// Makes a backup the store of a folder, which no host may have open. An existing store is replaced only with
/// `may_replace`. Returns the bytes of the store.
///
/// # Errors
/// If another process has the store open, there is a store already, or the backup is damaged. Nothing has changed then.
pub fn restore_backup(
    folder: &Path,
    backup: &Path,
    may_replace: bool,
) -> Result<u64, StoreOpenError> {
    let no_backup = |problem| StoreOpenError::NoBackup { path: backup.to_owned(), problem };
    let unreadable = |error: io::Error| no_backup(format!("cannot be read: {error}"));
    let of_folder = |source| StoreOpenError::System { path: folder.to_owned(), source };
    let mut source = File::open(backup).map_err(unreadable)?;
    let folder_lock = StoreFolder::open(folder)?;
    if folder_lock.file().exists() && !may_replace {
        return Err(StoreOpenError::Exists(folder_lock.file()));
    }
    let mut magic = Vec::new();
    source.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(unreadable)?;
    if magic != MAGIC {
        return Err(no_backup("it is not a store of Narrowboat".to_owned()));
    }
    source.rewind().map_err(unreadable)?;
    let mut copy = folder_lock.partial_file().map_err(of_folder)?;
    let len = io::copy(&mut source, copy.as_file_mut()).map_err(of_folder)?;
    let file = copy.reopen().map_err(of_folder)?;
    let checked = OpenDatabase::open(Box::new(file), backup).and_then(OpenDatabase::check);
    match checked {
        Ok(true) => {}
        Ok(false) => return Err(no_backup("its checksums are wrong".to_owned())),
        Err(StoreOpenError::Damaged { path, problem }) => {
            return Err(StoreOpenError::NoBackup { path, problem });
        }
        Err(error) => return Err(error),
    }
    folder_lock.replace_file(copy).map_err(of_folder)?;
    Ok(len)
}
