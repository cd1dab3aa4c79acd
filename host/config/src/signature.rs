//! Detached signatures of components: whether somebody the operator trusts has seen just these bytes.

mod private_key;
mod public_key;
mod trusted_keys;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use thiserror::Error;

pub use private_key::PrivateKey;
pub use public_key::PublicKey;
pub use trusted_keys::{SignatureError, TrustedKeys};

/// Bytes of a signature.
const SIGNATURE_LENGTH: usize = 64;

/// The longest file of a signature or a key that is read, in bytes.
const MAX_FILE_BYTES: u64 = 4_096;

/// A signature of Ed25519 (RFC 8032, section 5.1.6), which lies apart from the bytes it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; SIGNATURE_LENGTH]);

/// Bytes or a text that is no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is no signature: one of Ed25519 has 64 bytes, as they are or as base64")]
pub struct SignatureFormatError;

/// Why a component came without a signature.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MissingSignature {
    /// Nothing lies beside its file.
    #[error("there is no {}; `narrowboat plugin sign` makes it", .0.display())]
    FileNotFound(PathBuf),
    /// What lies beside its file cannot be read.
    #[error("{}: {problem}", file.display())]
    Unreadable {
        /// The signature's file.
        file: PathBuf,
        /// What the system said.
        problem: String,
    },
    /// What lies beside its file is something else.
    #[error("{} {source}", file.display())]
    Malformed {
        /// The signature's file.
        file: PathBuf,
        /// What it is not.
        source: SignatureFormatError,
    },
    /// Whoever uploaded it sent none.
    #[error(
        "no header Narrowboat-Signature came with it; `narrowboat deploy` sends what `narrowboat plugin \
         sign` wrote beside the file"
    )]
    NotInUpload,
    /// It came without one when it was kept.
    #[error("none was kept with it; deploy it again with one")]
    NotInStore,
}

/// Why a key cannot be used or written.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The system refused to read it.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// The key's file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is something else.
    #[error(
        "{} is no public key of Ed25519 as PEM, which `narrowboat plugin keygen` and `openssl pkey \
         -pubout` write",
        .0.display()
    )]
    NotPublic(PathBuf),
    /// It is something else.
    #[error(
        "{} is no private key of Ed25519 as PEM and without a password, which `narrowboat plugin \
         keygen` and `openssl genpkey -algorithm ed25519` write",
        .0.display()
    )]
    NotPrivate(PathBuf),
    /// Whoever can read it can sign.
    #[error("{} can be read by others; `chmod 600` takes that from them", .0.display())]
    PermissionsTooOpen(PathBuf),
    /// A key that is overwritten is lost.
    #[error("{} is there already, and a key is never written over; give another name", .0.display())]
    Exists(PathBuf),
    /// The system refused to write it.
    #[error("{}: {source}", file.display())]
    Unwritable {
        /// The key's file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Signature {
    /// Reads a signature's file: its 64 bytes as they are, or as base64 in as many lines as may be.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureFormatError> {
        match bytes.try_into() {
            Ok(bytes) => Ok(Self(bytes)),
            Err(_) => std::str::from_utf8(bytes).map_err(|_| SignatureFormatError)?.parse(),
        }
    }

    /// The signature that lies beside a component's file, in [`signature_path`] it.
    ///
    /// # Errors
    /// Why there is none.
    pub fn read_beside(component: &Path) -> Result<Self, MissingSignature> {
        let file = signature_path(component);
        match read_bounded(&file) {
            Ok(bytes) => {
                Self::parse(&bytes).map_err(|source| MissingSignature::Malformed { file, source })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(MissingSignature::FileNotFound(file))
            }
            Err(error) => Err(MissingSignature::Unreadable { file, problem: error.to_string() }),
        }
    }

    /// Its bytes, which other programs take for a file.
    pub fn bytes(&self) -> &[u8; SIGNATURE_LENGTH] {
        &self.0
    }

    /// The same as text, for a header.
    pub fn to_base64(&self) -> String {
        BASE64_STANDARD.encode(self.0)
    }
}

impl FromStr for Signature {
    type Err = SignatureFormatError;

    /// Reads base64; whitespace does not count.
    fn from_str(text: &str) -> Result<Self, SignatureFormatError> {
        let text: String = text.split_ascii_whitespace().collect();
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| SignatureFormatError)?;
        bytes.try_into().map(Self).map_err(|_| SignatureFormatError)
    }
}

/// The file that the signature of a component's file lies in: of `chat.wasm` it is `chat.wasm.sig`.
pub fn signature_path(component: &Path) -> PathBuf {
    with_suffix(component, ".sig")
}

/// A path with something after its last letter.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Reads a file that is short, or no more of it than shows that it is not.
fn read_bounded(file: &Path) -> io::Result<Vec<u8>> {
    read_open_bounded(File::open(file)?)
}

fn read_open_bounded(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_read_as_it_is_and_as_base64() {
        let signature = Signature([7; SIGNATURE_LENGTH]);
        assert_eq!(Signature::parse(signature.bytes()), Ok(signature));
        let text = signature.to_base64();
        let (first, second) = text.split_at(64);
        for text in [text.clone(), format!("{text}\n"), format!("{first}\r\n{second}\r\n")] {
            assert_eq!(Signature::parse(text.as_bytes()), Ok(signature));
        }
    }

    #[test]
    fn what_has_another_length_or_is_no_text_is_none() {
        let short = BASE64_STANDARD.encode([7; SIGNATURE_LENGTH - 1]);
        let long = BASE64_STANDARD.encode([7; SIGNATURE_LENGTH + 1]);
        for bytes in [&b""[..], b"\n", short.as_bytes(), long.as_bytes(), &[0xff; 63], b"sig!"] {
            assert_eq!(Signature::parse(bytes), Err(SignatureFormatError));
        }
    }

    #[test]
    fn the_file_beside_keeps_the_whole_name() {
        assert_eq!(signature_path(Path::new("a/chat.v1.wasm")), Path::new("a/chat.v1.wasm.sig"));
    }
}
