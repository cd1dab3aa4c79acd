//! Folders for this user alone, and files that are whole whenever they are there.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::StoreError;
use crate::trust;

/// For this user alone.
const FOLDER_MODE: u32 = 0o700;

/// For this user alone.
const FILE_MODE: u32 = 0o600;

/// What a file is called until it is whole.
pub(super) const UNFINISHED: &str = ".unfinished";

/// Makes a folder if there is none, and sees to whose it is.
pub(super) fn make(path: &Path) -> Result<(), StoreError> {
    let system = |source| StoreError::System { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path).map_err(system)?;
    let metadata = std::fs::symlink_metadata(path).map_err(system)?;
    if !metadata.is_dir() {
        return Err(system(io::Error::from(io::ErrorKind::NotADirectory)));
    }
    trust::check(&metadata)
        .map_err(|source| StoreError::Untrusted { path: path.to_owned(), source })
}

/// Writes a file beside its place and puts it there when it is on the disk: after a crash there are the old
/// bytes or the new.
pub(super) fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = folder.join(UNFINISHED);
    let written = write_new(&beside, bytes)
        .and_then(|()| std::fs::rename(&beside, folder.join(name)))
        .and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        // It may not be there at all.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    let mut file = options.write(true).create(true).truncate(true).mode(FILE_MODE).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
