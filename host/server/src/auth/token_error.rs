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
    /// The token is so short that it can be guessed.
    #[error(
        "{named_by}: the token in {source_of} has fewer than {min} characters, so that it can be guessed; \
         `openssl rand -hex 32` makes one"
    )]
    TooShort {
        /// The key of the configuration that names the file or the variable.
        named_by: String,
        /// The file or the variable.
        source_of: String,
        /// The fewest characters of a token.
        min: usize,
    },
    /// No request can send the token.
    #[error(
        "{named_by}: the token in {source_of} has a character that an HTTP header cannot have, such as a line break; \
         write one line of ASCII letters and digits"
    )]
    InvalidCharacter {
        /// The key of the configuration that names the file or the variable.
        named_by: String,
        /// The file or the variable.
        source_of: String,
    },
}
