//! Why something is not kept, or not told.

use thiserror::Error;

use narrowboat_core::units::ByteSize;

/// Why something is not kept, or not told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyvalueError {
    /// No bucket can have the name.
    #[error("no bucket can have this name: it is 1 to 99 ASCII letters, digits, '.', '_' and '-'")]
    InvalidBucketName,
    /// A key has at least one byte.
    #[error("the key is empty")]
    EmptyKey,
    /// The key is too long.
    #[error("the key has {len} bytes, and may have {most}")]
    KeyTooLong {
        /// Bytes it has.
        len: usize,
        /// Bytes it may have.
        most: usize,
    },
    /// The value is too long.
    #[error("the value has {len} bytes, and may have {most}")]
    ValueTooLong {
        /// Bytes it has.
        len: usize,
        /// Bytes it may have.
        most: usize,
    },
    /// The tenant would keep more than it may.
    #[error("over the quota: all buckets together may have {}", ByteSize::from(*.quota))]
    QuotaExceeded {
        /// Bytes it may keep.
        quota: usize,
    },
    /// What was to be added to is no number, or the sum is none that 64 bits hold.
    #[error("the value is no whole number of 64 bits, or would be none")]
    NotAnInteger,
    /// A cursor that was never told.
    #[error("no such cursor")]
    InvalidCursor,
    /// Nobody answers.
    #[error("key-value store unavailable: {0}")]
    Unavailable(String),
}
