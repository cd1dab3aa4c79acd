//! The half of a key that says who has signed.

use std::path::Path;

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::{DecodePublicKey, EncodePublicKey};

use super::{KeyError, Signature, read_bounded};

/// A public key of Ed25519.
#[derive(Debug, Clone)]
pub struct PublicKey(pub(super) VerifyingKey);

impl PublicKey {
    /// Reads a file of PEM, as `openssl pkey -pubout` writes it (RFC 8410, section 4).
    ///
    /// # Errors
    /// When it cannot be read, or is no such key.
    pub fn read(file: &Path) -> Result<Self, KeyError> {
        let unreadable = |source| KeyError::Unreadable { file: file.to_owned(), source };
        let bytes = read_bounded(file).map_err(unreadable)?;
        Self::parse(&bytes).ok_or_else(|| KeyError::NotPublic(file.to_owned()))
    }

    /// Reads PEM.
    pub fn parse(pem: &[u8]) -> Option<Self> {
        let pem = std::str::from_utf8(pem).ok()?;
        let key = VerifyingKey::from_public_key_pem(pem).ok()?;
        // Of a weak one anybody could make a signature.
        (!key.is_weak()).then_some(Self(key))
    }

    /// Whether its owner has signed just these bytes. Of large ones that takes a while: not for async
    /// threads.
    pub fn verify(&self, bytes: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature.bytes());
        // The strict rule leaves no second signature of the same bytes that is as good.
        self.0.verify_strict(bytes, &signature).is_ok()
    }

    /// The key as PEM; none if it cannot be written so.
    pub(super) fn to_pem(&self) -> Option<String> {
        self.0.to_public_key_pem(Default::default()).ok()
    }
}
