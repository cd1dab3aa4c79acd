//! The bytes of a component, the digest that names them, and their signature.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::OFlags;

use crate::runtime_image::RuntimeImage;
use narrowboat_config::signature::{MissingSignature, Signature, SignatureError, TrustedKeys};
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_core::units::ByteSize;

/// One build of a plugin before it is compiled. The bytes are hashed once, and need not be a component.
#[derive(Debug)]
pub struct Build {
    digest: Sha256Digest,
    bytes: Vec<u8>,
    signature: Result<Signature, MissingSignature>,
    /// The runtime that the build has run on before, if it is a source bundle of the version store.
    earlier_runtime: Option<Sha256Digest>,
    /// The runtime that the build was compiled with, if it is a source bundle.
    runtime: OnceLock<RuntimeImage>,
}

impl Build {
    /// Hashes the bytes. Does not check the signature. Hashing takes long for large components, so do not call it from
    /// async code.
    pub fn new(bytes: Vec<u8>, signature: Result<Signature, MissingSignature>) -> Self {
        let digest = Sha256Digest::of(&bytes);
        Self { digest, bytes, signature, earlier_runtime: None, runtime: OnceLock::new() }
    }

    /// Compiles the build with a runtime that it has run on before, if the host has that.
    #[must_use]
    pub fn on_earlier_runtime(mut self, runtime: Option<Sha256Digest>) -> Self {
        self.earlier_runtime = runtime;
        self
    }

    /// The runtime that the build was compiled with. `None` if it is not a source bundle, or was not compiled.
    pub fn runtime_image(&self) -> Option<&RuntimeImage> {
        self.runtime.get()
    }

    /// The runtime that the build has run on.
    pub(crate) fn runtime(&self) -> Option<Sha256Digest> {
        self.runtime.get().map(|image| image.digest).or(self.earlier_runtime)
    }

    pub(crate) fn record_runtime(&self, image: &RuntimeImage) {
        let _ = self.runtime.set(image.clone());
    }

    /// Reads a file of at most `max_size` and the signature file beside it. Blocks, so do not call it from async code.
    ///
    /// # Errors
    /// If the file cannot be read, is too large, or is not a regular file: reading a pipe or a device might never end.
    pub fn read(path: &Path, max_size: ByteSize) -> io::Result<Self> {
        let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(max_size.bytes() as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > max_size.bytes() {
            let problem = format!(
                "is larger than limits.max_component of {max_size}: it has {} bytes",
                metadata.len()
            );
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
        }
        Ok(Self::new(bytes, Signature::read_beside(path)))
    }

    /// The SHA-256 of the bytes.
    pub fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The signature that came with the bytes, which need not be a trusted one.
    pub fn signature(&self) -> Option<&Signature> {
        self.signature.as_ref().ok()
    }

    /// Checks that one of the trusted keys has signed the bytes. Hashes them, so do not call it from async code.
    ///
    /// # Errors
    /// Why the signature is not trusted.
    pub fn check_signature(&self, keys: &TrustedKeys) -> Result<(), SignatureError> {
        keys.verify(&self.bytes, self.signature.as_ref())
    }
}
