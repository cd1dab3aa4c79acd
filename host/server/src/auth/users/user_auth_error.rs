//! Errors of the configuration of users.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why users cannot be authenticated.
#[derive(Debug, Error)]
pub enum UserAuthError {
    /// The keys that verify tokens cannot be read.
    #[error("users.jwt.{key}: {}: {problem}", file.display())]
    Keys {
        /// The key of the configuration that names the file.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// The problem with the file.
        problem: String,
    },
    /// The root certificates that verify the webhook's site cannot be read.
    #[error("users.webhook.url: {0}")]
    Webhook(io::Error),
}
