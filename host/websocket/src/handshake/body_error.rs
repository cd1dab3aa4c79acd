//! Errors of a request's body.

use thiserror::Error;

/// Why the body of a request cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BodyError {
    /// The body has more bytes than this limit.
    #[error("the body has more than {0} bytes")]
    TooLarge(usize),
    /// The client disconnected, or the body is malformed.
    #[error("the body is incomplete or malformed")]
    Incomplete,
}
