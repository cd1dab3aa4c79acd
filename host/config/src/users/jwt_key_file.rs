//! The file of the key that verifies tokens.

use std::path::{Path, PathBuf};

/// A file of keys. The host reads it again when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtKeyFile {
    /// A secret that the signer has too, as bytes. Whitespace around it does not count.
    Secret(PathBuf),
    /// A public key, as PEM.
    PublicKey(PathBuf),
    /// A JSON Web Key Set (RFC 7517, section 5).
    Jwks(PathBuf),
}

impl JwtKeyFile {
    /// Returns the file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Secret(file) | Self::PublicKey(file) | Self::Jwks(file) => file,
        }
    }

    /// Returns the key of `[users.jwt]` that names the file.
    pub fn config_key(&self) -> &'static str {
        match self {
            Self::Secret(_) => "secret_file",
            Self::PublicKey(_) => "key_file",
            Self::Jwks(_) => "jwks_file",
        }
    }
}
