//! Why files cannot be watched.

use std::path::PathBuf;

use thiserror::Error;

/// Why files cannot be watched.
#[derive(Debug, Error)]
pub enum WatchError {
    /// The path cannot be the path of a file.
    #[error("{} cannot be watched: {source}", path.display())]
    Path {
        /// The given path.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The thread that scans cannot be started.
    #[error("cannot start the thread that watches files: {0}")]
    Thread(std::io::Error),
}
