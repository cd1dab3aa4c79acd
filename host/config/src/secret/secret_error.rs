//! Errors of references to secrets.

use thiserror::Error;

use super::SecretSource;

/// Why a secret cannot be read. The text does not have its value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{source_of} {problem}")]
pub struct SecretError {
    /// Where the secret should come from.
    pub source_of: SecretSource,
    /// The problem, and the remedy.
    pub problem: String,
}
