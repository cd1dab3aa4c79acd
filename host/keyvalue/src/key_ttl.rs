//! The time that a key has left.

use std::time::Duration;

/// The time until a key expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyTtl {
    /// The bucket does not have the key.
    Missing,
    /// The key does not expire.
    Never,
    /// The key expires after this time.
    Remaining(Duration),
}
