//! Errors of the configuration of users.

use std::io;

use thiserror::Error;

/// Why users cannot be authenticated.
#[derive(Debug, Error)]
pub enum UserAuthError {
    /// The keys that verify tokens cannot be read.
    #[error("users.jwt.{key}: {source_of}: {problem}")]
    Keys {
        /// The key of the configuration that names the file or the variable.
        key: &'static str,
        /// The file or the variable.
        source_of: String,
        /// The problem with it.
        problem: String,
    },
    /// The root certificates that verify the webhook's site cannot be read.
    #[error("users.webhook.url: {0}")]
    Webhook(io::Error),
}
