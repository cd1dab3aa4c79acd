//! Errors of tokens that files hold.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a token cannot be used.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The file of a token cannot be read or created.
    #[error("{named_by}: {}: {source}", path.display())]
    Io {
        /// The key of the configuration, or the option, that names the file.
        named_by: String,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Other users can read the file.
    #[error("{named_by}: {} can be read by other users; run `chmod 600` on it", path.display())]
    ReadableByOthers {
        /// The key of the configuration, or the option, that names the file.
        named_by: String,
        /// The file.
        path: PathBuf,
    },
    /// The file is empty.
    #[error("{named_by}: {} contains no token; `openssl rand -hex 32` makes one", path.display())]
    Empty {
        /// The key of the configuration, or the option, that names the file.
        named_by: String,
        /// The file.
        path: PathBuf,
    },
}
