//! Failures of the host.

use thiserror::Error;

/// A fault of the host.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HostFault {
    /// The host is shutting down.
    #[error("shutting down")]
    ShuttingDown,
    /// The consumer could not migrate to another version of its plugin.
    #[error("the consumer could not move to another version: {0}")]
    StateLost(String),
}
