//! The keys that must have signed every component.

use thiserror::Error;

use super::{KeyError, MissingSignature, PublicKey, Signature};
use crate::{ConfigError, SignaturesConfig};

/// The keys that the operator trusts. Their files are read again for each component, so that a removed or replaced key
/// is no longer trusted.
#[derive(Debug)]
pub struct TrustedKeys {
    config: SignaturesConfig,
}

/// Why a component is not trusted.
#[derive(Debug, Error)]
pub enum SignatureError {
    /// The component has no signature.
    #[error("is not signed: {0}")]
    Missing(MissingSignature),
    /// The signature is for other bytes, or was made with another key.
    #[error(
        "is not signed by any of [signatures] keys ({keys}): it was signed with another key, or has changed since; sign \
         it with `narrowboat plugin sign` and one of these keys"
    )]
    UnknownSigner {
        /// The files of the trusted keys, separated by commas.
        keys: String,
    },
    /// A key cannot be read.
    #[error("cannot be checked: {0}")]
    KeysUnusable(#[from] Box<ConfigError>),
}

impl TrustedKeys {
    /// Checks that every key can be read.
    ///
    /// # Errors
    /// If a key cannot be read. The error has the place in the configuration that names its file.
    pub fn load(config: SignaturesConfig) -> Result<Self, ConfigError> {
        let keys = Self { config };
        keys.read_keys().map(|_| keys)
    }

    /// Checks that one of the keys has signed these bytes. Takes long for large ones: do not call it on an async
    /// thread.
    ///
    /// # Errors
    /// If there is no signature, no trusted key made it, or a key cannot be read.
    pub fn verify(
        &self,
        bytes: &[u8],
        signature: Result<&Signature, &MissingSignature>,
    ) -> Result<(), SignatureError> {
        let signature = signature.map_err(|missing| SignatureError::Missing(missing.clone()))?;
        if self.read_keys().map_err(Box::new)?.iter().any(|key| key.verify(bytes, signature)) {
            return Ok(());
        }
        let keys = self.config.keys.iter().map(|key| key.file.display().to_string());
        Err(SignatureError::UnknownSigner { keys: keys.collect::<Vec<_>>().join(", ") })
    }

    fn read_keys(&self) -> Result<Vec<PublicKey>, ConfigError> {
        let keys = self.config.keys.iter().map(|key| {
            let invalid =
                |error: KeyError| key.location.invalid("signatures.keys", error.to_string());
            PublicKey::read(&key.file).map_err(invalid)
        });
        keys.collect()
    }
}
