//! The public half of a key, which verifies signatures.

use std::path::Path;

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::{DecodePublicKey, EncodePublicKey};

use super::signature_file::read_bounded;
use super::{KeyError, Signature};

/// A public key of Ed25519.
#[derive(Debug, Clone)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a file of PEM, as `openssl pkey -pubout` writes it (RFC 8410, section 4).
    ///
    /// # Errors
    /// If the file cannot be read, or does not hold a public key of Ed25519.
    pub fn read(file: &Path) -> Result<Self, KeyError> {
        let unreadable = |source| KeyError::Unreadable { file: file.to_owned(), source };
        let bytes = read_bounded(file).map_err(unreadable)?;
        Self::parse(&bytes).ok_or_else(|| KeyError::NotPublic(file.to_owned()))
    }

    /// Parses PEM. Returns `None` for a weak key, for which anybody can make a signature.
    pub fn parse(pem: &[u8]) -> Option<Self> {
        let pem = std::str::from_utf8(pem).ok()?;
        let key = VerifyingKey::from_public_key_pem(pem).ok()?;
        (!key.is_weak()).then_some(Self(key))
    }

    /// Returns whether the owner of the key signed these bytes. Takes long for large ones: do not call it on an async
    /// thread.
    pub fn verify(&self, bytes: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature.bytes());
        // The strict rule accepts only one signature of the same bytes.
        self.0.verify_strict(bytes, &signature).is_ok()
    }

    /// Encodes the key as PEM; `None` if the encoder fails.
    pub(super) fn to_pem(&self) -> Option<String> {
        self.0.to_public_key_pem(Default::default()).ok()
    }
}

impl From<VerifyingKey> for PublicKey {
    fn from(key: VerifyingKey) -> Self {
        Self(key)
    }
}
