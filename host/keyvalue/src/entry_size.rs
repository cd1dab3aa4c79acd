//! The bytes that an entry counts for in a quota.

/// Bytes for the memory that an entry takes beside its key, its value and the name of its bucket.
pub(crate) const ENTRY_OVERHEAD_BYTES: usize = 128;

/// Returns the bytes that an entry counts for. `bucket` is the name of its bucket.
pub(crate) fn entry_bytes(bucket: &str, key: &str, value_len: usize) -> usize {
    ENTRY_OVERHEAD_BYTES + bucket.len() + key.len() + value_len
}
