//! A component's bytes and the hash that names them.

use crate::hash::Hash;

/// One build of a plugin before it is compiled: bytes that need not be a component, hashed once.
#[derive(Debug)]
pub struct Build {
    digest: Hash,
    bytes: Vec<u8>,
}

impl Build {
    /// Hashes the bytes. Of large ones that takes a while: not for async threads.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { digest: Hash::of(&bytes), bytes }
    }

    /// The hash of the bytes.
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
