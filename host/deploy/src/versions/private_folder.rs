//! Folders and files that only this user can read.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::store_error::StoreError;
use narrowboat_core::atomic_file;
use narrowboat_core::folder_path::find_non_folder;
use narrowboat_core::fs_ownership;

/// Only the owner may list and change the folder.
const FOLDER_MODE: u32 = 0o700;

/// Only the owner may read and write the file.
const FILE_MODE: u32 = 0o600;

/// Creates a folder if it does not exist, and checks that no other user can write to it.
pub(super) fn create(path: &Path) -> Result<(), StoreError> {
    let system = |source| StoreError::System { path: path.to_owned(), source };
    if let Some(other) = find_non_folder(path) {
        return Err(StoreError::NotAFolder(other.to_owned()));
    }
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path).map_err(system)?;
    let metadata = std::fs::symlink_metadata(path).map_err(system)?;
    if !metadata.is_dir() {
        return Err(StoreError::NotAFolder(path.to_owned()));
    }
    fs_ownership::check_ownership(&metadata)
        .map_err(|source| StoreError::Untrusted { path: path.to_owned(), source })
}

/// Writes a file atomically: after a crash it has the old bytes or the new ones.
pub(super) fn write_file(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    atomic_file::write(&folder.join(name), FILE_MODE, bytes)
}
