//! The component of a runtime, before it is compiled.

use std::borrow::Cow;
use std::io::{self, Read};
use std::path::PathBuf;

use flate2::read::GzDecoder;

use narrowboat_core::manifest::Language;
use narrowboat_core::sha256_digest::Sha256Digest;

/// The component of a runtime, compressed with gzip. The host decompresses it only when its compiled code is not in the
/// cache.
#[derive(Debug, Clone)]
pub struct RuntimeImage {
    /// The language that the runtime runs.
    pub language: Language,
    /// The SHA-256 of the component.
    pub digest: Sha256Digest,
    content: RuntimeImageContent,
}

#[derive(Debug, Clone)]
enum RuntimeImageContent {
    /// A part of the program.
    Embedded(&'static [u8]),
    File(PathBuf),
}

impl RuntimeImage {
    /// A runtime whose compressed component is a part of the program.
    pub fn embedded(language: Language, digest: Sha256Digest, gzip: &'static [u8]) -> Self {
        Self { language, digest, content: RuntimeImageContent::Embedded(gzip) }
    }

    /// A runtime whose compressed component is in a file.
    pub fn in_file(language: Language, digest: Sha256Digest, file: PathBuf) -> Self {
        Self { language, digest, content: RuntimeImageContent::File(file) }
    }

    /// The compressed component. Blocks on the disk if it is in a file.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn gzip(&self) -> io::Result<Cow<'static, [u8]>> {
        match &self.content {
            RuntimeImageContent::Embedded(gzip) => Ok(Cow::Borrowed(gzip)),
            RuntimeImageContent::File(file) => std::fs::read(file).map(Cow::Owned),
        }
    }

    /// Decompresses the component.
    ///
    /// # Errors
    /// If the image cannot be read, or is damaged.
    pub(crate) fn decompress(&self) -> io::Result<Vec<u8>> {
        let mut component = Vec::new();
        GzDecoder::new(&*self.gzip()?).read_to_end(&mut component)?;
        if Sha256Digest::of(&component) == self.digest {
            Ok(component)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "its bytes do not match its digest"))
        }
    }
}
