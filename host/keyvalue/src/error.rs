//! Why an operation of the key-value store failed.

use thiserror::Error;

use narrowboat_core::units::ByteSize;

/// Why an operation of the key-value store failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyvalueError {
    /// The name of the bucket is not valid.
    #[error("the name of a bucket must have 1 to 99 ASCII letters, digits, '.', '_' and '-'")]
    InvalidBucketName,
    /// The key is empty.
    #[error("the key is empty; a key has at least 1 byte")]
    EmptyKey,
    /// The key is too long.
    #[error("the key has {len} bytes, and the limit is {most} bytes")]
    KeyTooLong {
        /// Bytes of the key.
        len: usize,
        /// The limit in bytes.
        most: usize,
    },
    /// The value is too long.
    #[error("the value has {len} bytes, and the limit is {most} bytes")]
    ValueTooLong {
        /// Bytes of the value.
        len: usize,
        /// The limit in bytes.
        most: usize,
    },
    /// The buckets of the tenant would exceed its quota.
    #[error(
        "quota exceeded: all buckets of the tenant together may have {}; delete values, or raise the quota",
        ByteSize::from(*.quota)
    )]
    QuotaExceeded {
        /// The quota in bytes.
        quota: usize,
    },
    /// The value that an increment adds to is not an integer, or the sum does not fit 64 bits.
    #[error("the value is not a whole number of 64 bits, or would not be one")]
    NotAnInteger,
    /// The time to live is 0 or too long.
    #[error("the time to live must be from 1 millisecond to 100 years")]
    InvalidTtl,
    /// A batch has too many keys.
    #[error("the batch has {len} keys, and the limit is {most} keys; split it")]
    TooManyKeys {
        /// Keys of the batch.
        len: usize,
        /// The limit.
        most: usize,
    },
    /// The values of a batch are too long together.
    #[error("the values of the batch have more than {} together; split it", ByteSize::from(*.most))]
    BatchTooLarge {
        /// The limit in bytes.
        most: usize,
    },
    /// The cursor is not one of a page.
    #[error("the cursor is not one that the store returned")]
    InvalidCursor,
    /// The disk under the store is full. Nothing was written.
    #[error("key-value store unavailable: the disk is full: {0}")]
    DiskFull(String),
    /// The disk under the store has failed, and the store takes no writes until the host starts again. It is not known
    /// whether this write is on the disk.
    #[error("key-value store unavailable: read-only until the host starts again: {0}")]
    ReadOnly(String),
    /// Another host owns the room, or the store has lost the lease.
    #[error("this host no longer owns the room")]
    LeaseLost,
    /// The store does not respond.
    #[error("key-value store unavailable: {0}")]
    Unavailable(String),
}

impl KeyvalueError {
    /// Returns whether the store or a limit of the operator is the cause, and not the request.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::QuotaExceeded { .. }
                | Self::DiskFull(_)
                | Self::ReadOnly(_)
                | Self::Unavailable(_)
        )
    }
}
