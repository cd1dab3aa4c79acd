//! The plugins that could not be loaded.

use std::path::PathBuf;
use std::time::SystemTime;

/// The file of a plugin that could not be loaded, as it was before the attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailedLoad {
    pub(crate) file: PathBuf,
    /// The file's modification time and length; `None` if it did not exist.
    file_stamp: Option<(SystemTime, u64)>,
}

impl FailedLoad {
    /// Captures the state of a file. Blocks on the disk.
    pub(super) fn capture(file: PathBuf) -> Self {
        let metadata = std::fs::metadata(&file).ok();
        let file_stamp = metadata.and_then(|data| Some((data.modified().ok()?, data.len())));
        Self { file, file_stamp }
    }

    /// Whether the file has changed since it was captured. Blocks on the disk.
    pub(crate) fn has_changed(&self) -> bool {
        Self::capture(self.file.clone()) != *self
    }
}
