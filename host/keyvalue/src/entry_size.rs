//! The bytes that an entry counts for in a quota.

use crate::Bucket;

/// Bytes for the memory that an entry takes beside its key, its value and the name of its bucket.
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// Returns the bytes that an entry of a bucket counts for, beside its key and its value.
pub(crate) fn entry_overhead_bytes(bucket: &Bucket) -> usize {
    ENTRY_OVERHEAD_BYTES + bucket.name().len()
}

/// Returns the bytes that an entry counts for.
pub(crate) fn entry_bytes(bucket: &Bucket, key: &str, value: &[u8]) -> usize {
    entry_overhead_bytes(bucket) + key.len() + value.len()
}
