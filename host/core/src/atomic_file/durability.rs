//! Flushing files to the disk.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

/// Whether a file has to survive a power failure after it was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It has to: its bytes and its name are flushed to the disk.
    Synced,
    /// It need not: its readers detect a damaged file and create it again.
    NotSynced,
}

impl Durability {
    /// Flushes the bytes of a file, if it has to survive.
    pub(super) fn sync_file(self, file: &File) -> io::Result<()> {
        match self {
            Self::Synced => file.sync_all(),
            Self::NotSynced => Ok(()),
        }
    }

    /// Flushes the names in a folder, if the file has to survive.
    ///
    /// Readers see the new file already, so a failure is only logged: the old file may come back after a power failure.
    pub(super) fn sync_folder(self, folder: impl AsFd) {
        if self == Self::Synced
            && let Err(error) = rustix::fs::fsync(folder)
        {
            let error = io::Error::from(error);
            tracing::warn!(%error, "cannot sync a folder; a power failure may undo a file change");
        }
    }
}
