//! Why a version cannot be stored or loaded.

use std::io;

use thiserror::Error;

use narrowboat_runtime::Sha256Digest;

/// Why a version cannot be stored or loaded.
#[derive(Debug, Error)]
pub enum PluginVersionStoreError {
    /// The version or the index cannot be written.
    #[error("the version cannot be kept: {0}")]
    Write(io::Error),
    /// The version is not stored.
    #[error("there is no version {0}; `narrowboat versions` lists the stored versions")]
    Unknown(Sha256Digest),
    /// The bytes of the version are missing or have changed.
    #[error("the bytes of version {0} are missing or damaged; deploy it again")]
    Damaged(Sha256Digest),
}
