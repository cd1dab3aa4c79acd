//! The half of a key that signs, which no host needs.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use ed25519_dalek::{Signer, SigningKey};

use super::{KeyError, PublicKey, Signature, read_open_bounded, with_suffix};
use narrowboat_core::atomic_file;

/// For its owner alone.
const PRIVATE_MODE: u32 = 0o600;

/// For everybody to read.
const PUBLIC_MODE: u32 = 0o644;

/// Rights of others.
const GROUP_AND_OTHERS: u32 = 0o077;

/// A private key of Ed25519.
#[derive(Debug)]
pub struct PrivateKey(SigningKey);

impl PrivateKey {
    /// Makes one of chance.
    pub fn generate() -> Self {
        Self(SigningKey::from_bytes(&rand::random()))
    }

    /// Reads a file of PEM, as `openssl genpkey -algorithm ed25519` writes it (RFC 8410, section 7),
    /// refusing one that others can read.
    ///
    /// # Errors
    /// When it cannot be read, could be by others, or is no such key.
    pub fn read(file: &Path) -> Result<Self, KeyError> {
        let unreadable = |source| KeyError::Unreadable { file: file.to_owned(), source };
        let open = File::open(file).map_err(unreadable)?;
        let mode = open.metadata().map_err(unreadable)?.permissions().mode();
        let bytes = read_open_bounded(open).map_err(unreadable)?;
        // Parse first: anyone may read a public key, so its file mode does not matter.
        let key = Self::parse(&bytes).ok_or_else(|| KeyError::NotPrivate(file.to_owned()))?;
        if mode & GROUP_AND_OTHERS != 0 {
            Err(KeyError::PermissionsTooOpen(file.to_owned()))
        } else {
            Ok(key)
        }
    }

    /// Reads PEM.
    fn parse(pem: &[u8]) -> Option<Self> {
        let pem = std::str::from_utf8(pem).ok()?;
        SigningKey::from_pkcs8_pem(pem).ok().map(Self)
    }

    /// Signs bytes.
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        Signature(self.0.sign(bytes).to_bytes())
    }

    /// The half that says who has signed.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Writes both halves, as `NAME.pem` for the owner alone and `NAME.pub`, and returns these paths.
    ///
    /// # Errors
    /// When there is one of the files already, or the system refuses; nothing is left then.
    pub fn write_pair(&self, name: &Path) -> Result<(PathBuf, PathBuf), KeyError> {
        let (private, public) = (with_suffix(name, ".pem"), with_suffix(name, ".pub"));
        write_new(&public, PUBLIC_MODE, self.public_key().to_pem().as_deref())?;
        // Programs that know the older form of PKCS#8 alone do not take a public half within.
        let pair = KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        let pem = pair.to_pkcs8_pem(Default::default()).ok();
        let written = write_new(&private, PRIVATE_MODE, pem.as_deref().map(String::as_str));
        if written.is_err() {
            // It was made just now, and is of no use alone.
            let _ = std::fs::remove_file(&public);
        }
        written.map(|()| (private, public))
    }
}

/// Writes a file that is not there yet.
fn write_new(file: &Path, mode: u32, pem: Option<&str>) -> Result<(), KeyError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyError::Exists(file.to_owned()),
        _ => KeyError::Unwritable { file: file.to_owned(), source },
    };
    let pem = pem.ok_or_else(|| failed(io::Error::other("the key cannot be written as PEM")))?;
    atomic_file::write_new(file, mode, pem.as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `openssl genpkey -algorithm ed25519` writes it, here of the first key of RFC 8032, section 7.1.
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";

    /// Its other half, as `openssl pkey -pubout` writes it.
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
        -----END PUBLIC KEY-----\n";

    #[test]
    fn what_it_signs_its_public_half_and_nobody_elses_has_signed() {
        let key = PrivateKey::generate();
        let signature = key.sign(b"component");
        assert!(key.public_key().verify(b"component", &signature));
        assert!(!key.public_key().verify(b"componenu", &signature));
        assert!(!PrivateKey::generate().public_key().verify(b"component", &signature));
    }

    #[test]
    fn keys_are_read_as_openssl_writes_them() {
        let private = PrivateKey::parse(PRIVATE.as_bytes()).unwrap();
        let public = PublicKey::parse(PUBLIC.as_bytes()).unwrap();
        assert_eq!(private.public_key().to_pem().as_deref(), Some(PUBLIC));
        // The signature of nothing that section 7.1 has for this key.
        let signature = private.sign(b"");
        assert_eq!(signature.bytes()[..4], [0xe5, 0x56, 0x43, 0x00]);
        assert!(public.verify(b"", &signature));
    }

    #[test]
    fn neither_half_is_taken_for_the_other() {
        assert!(PrivateKey::parse(PUBLIC.as_bytes()).is_none());
        assert!(PublicKey::parse(PRIVATE.as_bytes()).is_none());
    }

    #[test]
    fn a_key_of_which_anybody_could_sign_is_none() {
        // The neutral element of the curve.
        let weak = "-----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\
            -----END PUBLIC KEY-----\n";
        assert!(PublicKey::parse(weak.as_bytes()).is_none());
    }
}
