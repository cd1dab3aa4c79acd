//! Who has to have signed what runs here.

use thiserror::Error;

use super::{KeyError, MissingSignature, PublicKey, Signature};
use crate::{ConfigError, SignaturesConfig};

/// The keys that the operator trusts. They are read anew for each component, so that a key that is taken
/// away is not believed any longer.
#[derive(Debug)]
pub struct TrustedKeys {
    config: SignaturesConfig,
}

/// Why a component is not trusted.
#[derive(Debug, Error)]
pub enum SignatureError {
    /// It came without a signature.
    #[error("is not signed: {0}")]
    Missing(MissingSignature),
    /// The signature is of other bytes, or by somebody else.
    #[error(
        "is not signed by any of [signatures] keys ({keys}): it was signed with another key, or has \
         changed since"
    )]
    UnknownSigner {
        /// The files of the keys.
        keys: String,
    },
    /// There is nothing to check it with.
    #[error("cannot be checked: {0}")]
    KeysUnusable(#[from] Box<ConfigError>),
}

impl TrustedKeys {
    /// Sees whether every key can be read.
    ///
    /// # Errors
    /// Which cannot, and where the configuration names it.
    pub fn load(config: SignaturesConfig) -> Result<Self, ConfigError> {
        let signers = Self { config };
        signers.read_keys().map(|_| signers)
    }

    /// Whether one of them has signed just these bytes. Of large ones that takes a while: not for async
    /// threads.
    ///
    /// # Errors
    /// Why they are not trusted.
    pub fn verify(
        &self,
        bytes: &[u8],
        signature: Result<&Signature, &MissingSignature>,
    ) -> Result<(), SignatureError> {
        let signature = signature.map_err(|unsigned| SignatureError::Missing(unsigned.clone()))?;
        if self.read_keys().map_err(Box::new)?.iter().any(|key| key.verify(bytes, signature)) {
            return Ok(());
        }
        let keys = self.config.keys.iter().map(|key| key.file.display().to_string());
        Err(SignatureError::UnknownSigner { keys: keys.collect::<Vec<_>>().join(", ") })
    }

    fn read_keys(&self) -> Result<Vec<PublicKey>, ConfigError> {
        let keys = self.config.keys.iter().map(|key| {
            let wrong =
                |error: KeyError| key.location.invalid("signatures.keys", error.to_string());
            PublicKey::read(&key.file).map_err(wrong)
        });
        keys.collect()
    }
}
