//! A component's bytes, the hash that names them, and who has signed them.

use crate::hash::Hash;
use crate::signature::{Distrust, Signature, Signers, Unsigned};

/// One build of a plugin before it is compiled: bytes that need not be a component, hashed once.
#[derive(Debug)]
pub struct Build {
    digest: Hash,
    bytes: Vec<u8>,
    signature: Result<Signature, Unsigned>,
}

impl Build {
    /// Hashes the bytes; the signature came with them and is not checked. Of large ones that takes a
    /// while: not for async threads.
    pub fn new(bytes: Vec<u8>, signature: Result<Signature, Unsigned>) -> Self {
        Self { digest: Hash::of(&bytes), bytes, signature }
    }

    /// The hash of the bytes.
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The signature that came with the bytes, if one did, whosever it is.
    pub fn signature(&self) -> Option<&Signature> {
        self.signature.as_ref().ok()
    }

    /// Whether one of those who have to has signed it. Of large ones that takes a while: not for async
    /// threads.
    ///
    /// # Errors
    /// Why it is not trusted.
    pub fn check_signature(&self, signers: &Signers) -> Result<(), Distrust> {
        signers.check(&self.bytes, self.signature.as_ref())
    }
}
