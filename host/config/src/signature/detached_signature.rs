//! A detached signature of a component.

use std::io;
use std::path::Path;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::signature_file::{read_bounded, signature_path};
use super::{MissingSignature, SignatureFormatError};

/// Bytes of a signature.
pub(super) const SIGNATURE_LENGTH: usize = 64;

/// A detached signature of Ed25519 (RFC 8032, section 5.1.6): it is stored apart from the bytes that it signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; SIGNATURE_LENGTH]);

impl Signature {
    /// Parses the content of a signature file: 64 raw bytes, or base64 in any number of lines.
    ///
    /// # Errors
    /// If the content is neither.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureFormatError> {
        match bytes.try_into() {
            Ok(bytes) => Ok(Self(bytes)),
            Err(_) => std::str::from_utf8(bytes).map_err(|_| SignatureFormatError)?.parse(),
        }
    }

    /// Reads the signature of a component from the file beside it, which [`signature_path`] names.
    ///
    /// # Errors
    /// If there is no such file, or it does not hold a signature.
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

    /// Returns the raw bytes, which other programs accept as a signature file.
    pub fn bytes(&self) -> &[u8; SIGNATURE_LENGTH] {
        &self.0
    }

    /// Encodes the signature as base64, for a header.
    pub fn to_base64(&self) -> String {
        BASE64_STANDARD.encode(self.0)
    }
}

impl From<[u8; SIGNATURE_LENGTH]> for Signature {
    fn from(bytes: [u8; SIGNATURE_LENGTH]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Signature {
    type Err = SignatureFormatError;

    /// Parses base64 and ignores whitespace.
    fn from_str(text: &str) -> Result<Self, SignatureFormatError> {
        let text: String = text.split_ascii_whitespace().collect();
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| SignatureFormatError)?;
        bytes.try_into().map(Self).map_err(|_| SignatureFormatError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_parsed_from_raw_bytes_and_from_base64() {
        let signature = Signature([7; SIGNATURE_LENGTH]);
        assert_eq!(Signature::parse(signature.bytes()), Ok(signature));
        let text = signature.to_base64();
        let (first, second) = text.split_at(64);
        for text in [text.clone(), format!("{text}\n"), format!("{first}\r\n{second}\r\n")] {
            assert_eq!(Signature::parse(text.as_bytes()), Ok(signature));
        }
    }

    #[test]
    fn bytes_of_another_length_and_other_text_are_refused() {
        let short = BASE64_STANDARD.encode([7; SIGNATURE_LENGTH - 1]);
        let long = BASE64_STANDARD.encode([7; SIGNATURE_LENGTH + 1]);
        for bytes in [&b""[..], b"\n", short.as_bytes(), long.as_bytes(), &[0xff; 63], b"sig!"] {
            assert_eq!(Signature::parse(bytes), Err(SignatureFormatError));
        }
    }
}
