//! The limits of a batch.

use crate::KeyvalueError;

/// The largest number of keys in a batch.
pub const MAX_BATCH_KEYS: usize = 1_000;

/// The most bytes that the values of a batch may have together. It is also the largest value of `max_value`, so that
/// each value fits a batch.
pub const MAX_BATCH_BYTES: usize = 4 << 20;

/// Checks the number of keys of a batch.
pub(crate) fn check_batch_keys(len: usize) -> Result<(), KeyvalueError> {
    match len > MAX_BATCH_KEYS {
        true => Err(KeyvalueError::TooManyKeys { len, most: MAX_BATCH_KEYS }),
        false => Ok(()),
    }
}

/// Checks the bytes that the values of a batch have together.
pub(crate) fn check_batch_bytes(bytes: usize) -> Result<(), KeyvalueError> {
    match bytes > MAX_BATCH_BYTES {
        true => Err(KeyvalueError::BatchTooLarge { most: MAX_BATCH_BYTES }),
        false => Ok(()),
    }
}
