//! Folders for this user alone, and files that are whole whenever they are there.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::StoreError;
use narrowboat_core::atomic_file;
use narrowboat_core::fs_ownership;

/// For this user alone.
const FOLDER_MODE: u32 = 0o700;

/// For this user alone.
const FILE_MODE: u32 = 0o600;

/// Makes a folder if there is none, and sees to whose it is.
pub(super) fn create(path: &Path) -> Result<(), StoreError> {
    let system = |source| StoreError::System { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path).map_err(system)?;
    let metadata = std::fs::symlink_metadata(path).map_err(system)?;
    if !metadata.is_dir() {
        return Err(system(io::Error::from(io::ErrorKind::NotADirectory)));
    }
    fs_ownership::check_ownership(&metadata)
        .map_err(|source| StoreError::Untrusted { path: path.to_owned(), source })
}

/// Writes a file whole: after a crash there are the old bytes or the new.
pub(super) fn write_file(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    atomic_file::write(&folder.join(name), FILE_MODE, bytes)
}
