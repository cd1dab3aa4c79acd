//! Why a key cannot be used or written.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a key cannot be used or written.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// The key's file.
        file: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The file does not hold a public key.
    #[error(
        "{} is not a public key of Ed25519 as PEM; `narrowboat plugin keygen` and `openssl pkey -pubout` write one",
        .0.display()
    )]
    NotPublic(PathBuf),
    /// The file does not hold a private key.
    #[error(
        "{} is not a private key of Ed25519 as PEM without a password; `narrowboat plugin keygen` and `openssl \
         genpkey -algorithm ed25519` write one",
        .0.display()
    )]
    NotPrivate(PathBuf),
    /// Other users can read the private key.
    #[error("{} can be read by other users; run `chmod 600 {}`", .0.display(), .0.display())]
    PermissionsTooOpen(PathBuf),
    /// The file exists; a key that is overwritten is lost.
    #[error("{} exists already, and a key is never overwritten; choose another name", .0.display())]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("{}: {source}", file.display())]
    Unwritable {
        /// The key's file.
        file: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}
