//! The private half of a key, which signs. Only the command line uses it, not a host.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use ed25519_dalek::{Signer, SigningKey};

use super::signature_file::{read_open_bounded, with_suffix};
use super::{KeyError, PublicKey, Signature};
use narrowboat_core::atomic_file;

/// File mode of a private key: only its owner reads and writes it.
const PRIVATE_MODE: u32 = 0o600;

/// File mode of a public key: everybody reads it.
const PUBLIC_MODE: u32 = 0o644;

/// The bits of a file mode that give rights to other users.
const GROUP_AND_OTHERS: u32 = 0o077;

/// A private key of Ed25519.
#[derive(Debug)]
pub struct PrivateKey(SigningKey);

impl PrivateKey {
    /// Generates a random key.
    pub fn generate() -> Self {
        Self(SigningKey::from_bytes(&rand::random()))
    }

    /// Reads a file of PEM, as `openssl genpkey -algorithm ed25519` writes it (RFC 8410, section 7).
    ///
    /// # Errors
    /// If the file cannot be read, does not hold a private key of Ed25519, or can be read by other users.
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

    /// Parses PEM.
    fn parse(pem: &[u8]) -> Option<Self> {
        let pem = std::str::from_utf8(pem).ok()?;
        SigningKey::from_pkcs8_pem(pem).ok().map(Self)
    }

    /// Signs bytes.
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        self.0.sign(bytes).to_bytes().into()
    }

    /// Returns the public half, which verifies the signatures of this key.
    pub fn public_key(&self) -> PublicKey {
        self.0.verifying_key().into()
    }

    /// Writes the private half to `NAME.pem`, which only the owner can read, and the public half to `NAME.pub`. Returns
    /// both paths in this order.
    ///
    /// # Errors
    /// If one of the files exists or cannot be written. Neither file is left behind then.
    pub fn write_pair(&self, name: &Path) -> Result<(PathBuf, PathBuf), KeyError> {
        let (private, public) = (with_suffix(name, ".pem"), with_suffix(name, ".pub"));
        write_new(&public, PUBLIC_MODE, self.public_key().to_pem().as_deref())?;
        // Programs that only know the older form of PKCS#8 refuse a file that includes the public half.
        let pair = KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        let pem = pair.to_pkcs8_pem(Default::default()).ok();
        let written = write_new(&private, PRIVATE_MODE, pem.as_deref().map(String::as_str));
        if written.is_err() {
            // The public half is of no use alone.
            let _ = std::fs::remove_file(&public);
        }
        written.map(|()| (private, public))
    }
}

/// Writes a file that does not exist yet.
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

    /// The public half of it, as `openssl pkey -pubout` writes it.
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
        -----END PUBLIC KEY-----\n";

    #[test]
    fn only_the_public_half_of_a_key_verifies_its_signatures() {
        let key = PrivateKey::generate();
        let signature = key.sign(b"component");
        assert!(key.public_key().verify(b"component", &signature));
        assert!(!key.public_key().verify(b"componenu", &signature));
        assert!(!PrivateKey::generate().public_key().verify(b"component", &signature));
    }

    #[test]
    fn keys_in_the_format_of_openssl_are_parsed() {
        let private = PrivateKey::parse(PRIVATE.as_bytes()).unwrap();
        let public = PublicKey::parse(PUBLIC.as_bytes()).unwrap();
        assert_eq!(private.public_key().to_pem().as_deref(), Some(PUBLIC));
        // The signature of an empty message in section 7.1 begins with these bytes.
        let signature = private.sign(b"");
        assert_eq!(signature.bytes()[..4], [0xe5, 0x56, 0x43, 0x00]);
        assert!(public.verify(b"", &signature));
    }

    #[test]
    fn a_private_key_is_not_parsed_as_a_public_key_and_the_other_way_round() {
        assert!(PrivateKey::parse(PUBLIC.as_bytes()).is_none());
        assert!(PublicKey::parse(PRIVATE.as_bytes()).is_none());
    }

    #[test]
    fn a_weak_public_key_is_refused() {
        // The neutral element of the curve.
        let weak = "-----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\
            -----END PUBLIC KEY-----\n";
        assert!(PublicKey::parse(weak.as_bytes()).is_none());
    }
}
