//! The component of a runtime, before it is compiled.

use std::io::{self, Read};

use flate2::read::GzDecoder;

use narrowboat_core::manifest::Language;
use narrowboat_core::sha256_digest::Sha256Digest;

/// The component of a runtime, compressed with gzip. The host decompresses it only when its compiled code is not in the
/// cache.
#[derive(Debug, Clone, Copy)]
pub struct RuntimeImage {
    /// The language that the runtime runs.
    pub language: Language,
    /// The SHA-256 of the component.
    pub digest: Sha256Digest,
    /// The component, compressed with gzip.
    pub gzip: &'static [u8],
}

impl RuntimeImage {
    /// Decompresses the component.
    ///
    /// # Errors
    /// If the image is damaged.
    pub(super) fn decompress(&self) -> io::Result<Vec<u8>> {
        let mut component = Vec::new();
        GzDecoder::new(self.gzip).read_to_end(&mut component)?;
        if Sha256Digest::of(&component) == self.digest {
            Ok(component)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "its bytes do not match its digest"))
        }
    }
}
