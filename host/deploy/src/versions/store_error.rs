//! Why the folder of versions cannot be used.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use narrowboat_core::fs_ownership::OwnershipError;

/// Why the folder of versions cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// An operation of the operating system failed.
    #[error("{}: {source}; [versions] folder may name another", path.display())]
    System {
        /// The path of the file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// There is something else where the folder should be.
    #[error(
        "{} is a symbolic link or not a folder; name a folder with [versions] folder, or move the file away",
        .0.display()
    )]
    NotAFolder(PathBuf),
    /// Other users can write to the folder. They could decide which version is live.
    #[error("{} {source}; [versions] folder may name another", path.display())]
    Untrusted {
        /// The path of the file or folder.
        path: PathBuf,
        /// The users that can write to it.
        source: OwnershipError,
    },
    /// Another host uses the folder.
    #[error(
        "{} is in use by another host; [versions] folder may name another for this one",
        .0.display()
    )]
    InUse(PathBuf),
}
