//! A failure of the disk under the file.

use std::io;

/// Why the disk did not take a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StorageFailure {
    /// The disk is full, or a quota of the system or the largest size of a file is reached. Room may come back.
    Full(String),
    /// The system does not say what is on the disk. Nothing may be written until the file is opened anew by another
    /// process: after a failed `fsync`, Linux reports the next one as a success.
    Lost(String),
}

impl StorageFailure {
    /// Returns the failure of a write or of a change of the length.
    pub(super) fn of_write(error: &io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::Full(error.to_string()),
            _ => Self::Lost(format!("a write failed: {error}")),
        }
    }

    /// Returns the failure of an `fsync`.
    pub(super) fn of_sync(error: &io::Error) -> Self {
        Self::Lost(format!("fsync failed: {error}"))
    }
}

impl From<StorageFailure> for io::Error {
    fn from(failure: StorageFailure) -> Self {
        match failure {
            StorageFailure::Full(problem) => Self::new(io::ErrorKind::StorageFull, problem),
            StorageFailure::Lost(problem) => Self::other(problem),
        }
    }
}
