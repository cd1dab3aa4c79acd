//! The source of the key that verifies tokens.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::secret::Secret;

/// A file of keys, which the host reads again when it changes, or a secret in the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtKeyFile {
    /// A secret that the signer has too, as bytes. Whitespace around it does not count.
    Secret(PathBuf),
    /// A secret in the environment.
    SecretVariable(Secret),
    /// A public key, as PEM.
    PublicKey(PathBuf),
    /// A JSON Web Key Set (RFC 7517, section 5).
    Jwks(PathBuf),
}

impl JwtKeyFile {
    /// Returns the file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Secret(file) | Self::PublicKey(file) | Self::Jwks(file) => Some(file),
            Self::SecretVariable(_) => None,
        }
    }

    /// Returns the key of `[users.jwt]` that names the file or the variable.
    pub fn config_key(&self) -> &'static str {
        match self {
            Self::Secret(_) => "secret_file",
            Self::SecretVariable(_) => "secret",
            Self::PublicKey(_) => "key_file",
            Self::Jwks(_) => "jwks_file",
        }
    }
}

impl fmt::Display for JwtKeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(file) | Self::PublicKey(file) | Self::Jwks(file) => {
                write!(f, "{}", file.display())
            }
            Self::SecretVariable(secret) => write!(f, "{}", secret.source()),
        }
    }
}
