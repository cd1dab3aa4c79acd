//! Why a key-value store in a file cannot be opened.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use narrowboat_core::fs_ownership::OwnershipError;

/// Why a key-value store in a file cannot be opened.
#[derive(Debug, Error)]
pub enum StoreOpenError {
    /// An operation of the operating system failed.
    #[error("{}: {source}; [keyvalue] path may name another folder", path.display())]
    System {
        /// The path of the file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// There is something else where the folder should be.
    #[error(
        "{} is not a folder, and the key-value store needs one; name a folder with [keyvalue] path, or move the file away",
        .0.display()
    )]
    NotAFolder(PathBuf),
    /// Other users can write to the folder.
    #[error("{} {source}; [keyvalue] path may name another folder", path.display())]
    Untrusted {
        /// The path of the folder.
        path: PathBuf,
        /// The users that can write to it.
        source: OwnershipError,
    },
    /// Another process has the store open.
    #[error(
        "the key-value store {} is in use by another process; stop that host first, because restarts must not overlap, \
         or name another folder with [keyvalue] path",
        .0.display()
    )]
    InUse(PathBuf),
    /// The file is not a store, or it is damaged.
    #[error(
        "{}: {problem}; restore a backup with `narrowboat kv restore`, or move the file away to begin an empty store",
        path.display()
    )]
    Damaged {
        /// The path of the file.
        path: PathBuf,
        /// The problem of the file.
        problem: String,
    },
    /// A later release wrote the file.
    #[error("{}: a later release of Narrowboat wrote this store, in the format {format}; use that release", path.display())]
    LaterFormat {
        /// The path of the file.
        path: PathBuf,
        /// The version of the format.
        format: u64,
    },
    /// A backup cannot be restored.
    #[error("{}: {problem}; it cannot be restored: name a file that `narrowboat kv backup` has written", path.display())]
    NoBackup {
        /// The path of the backup.
        path: PathBuf,
        /// The problem of the file.
        problem: String,
    },
    /// A backup would replace a store.
    #[error("there is a store already: {}; --replace replaces it, and what it has is lost", .0.display())]
    Exists(PathBuf),
    /// The system has no thread for the store.
    #[error("cannot start a thread for the key-value store: {0}; is the process limit too low?")]
    NoThread(io::Error),
}
