//! The comparison of a key's value with an earlier one.

use narrowboat_keyvalue::Bucket;

/// A key, and the value that it had when a guest made the handle.
#[expect(unreachable_pub, reason = "the generated bindings export it")]
pub struct CasHandle {
    pub(super) bucket: Bucket,
    pub(super) key: String,
    /// `None` if the bucket did not have the key.
    pub(super) value: Option<Vec<u8>>,
}

impl CasHandle {
    /// The bytes that the handle takes in the memory of the host.
    pub(super) fn bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}
