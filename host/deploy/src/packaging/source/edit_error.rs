//! Why a source file cannot be edited.

use std::io;

use thiserror::Error;

use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_core::units::ByteSize;

/// The largest file that an editor reads or writes, in bytes.
pub const MAX_EDITABLE_BYTES: usize = 256 * 1024;

/// Why a source file cannot be read or written by an editor. Nothing has been written.
#[derive(Debug, Error)]
pub enum EditError {
    /// The plugin has no such file, or a bundle does not get it.
    #[error("the plugin has no source file {0:?}")]
    NotFound(String),
    /// The path leads over a symbolic link, or to something other than a regular file.
    #[error("{0:?} is not a regular file in the folder of the plugin")]
    NotAFile(String),
    /// The file is not UTF-8.
    #[error("{0:?} is not UTF-8 text")]
    NotText(String),
    /// The file, or its new text, is too large.
    #[error("{0:?} has more than {limit}", limit = ByteSize::from(MAX_EDITABLE_BYTES))]
    TooLarge(String),
    /// The file has no permission to write.
    #[error("{0:?} is read-only; give it the write permission (chmod u+w) to edit it here")]
    ReadOnly(String),
    /// Another program has changed the file since the editor read it.
    #[error("another program has changed {path:?}")]
    Changed {
        /// The path of the file.
        path: String,
        /// The SHA-256 of the file as it is now.
        current: Sha256Digest,
    },
    /// The system cannot read or write the file.
    #[error("{path:?}: {source}")]
    System {
        /// The path of the file.
        path: String,
        /// The error of the system.
        source: io::Error,
    },
}
