//! A component's bytes, the hash that names them, and who has signed them.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use narrowboat_config::signature::{MissingSignature, Signature, SignatureError, TrustedKeys};
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_core::units::ByteSize;

/// One build of a plugin before it is compiled: bytes that need not be a component, hashed once.
#[derive(Debug)]
pub struct Build {
    digest: Sha256Digest,
    bytes: Vec<u8>,
    signature: Result<Signature, MissingSignature>,
}

impl Build {
    /// Hashes the bytes; the signature came with them and is not checked. Of large ones that takes a
    /// while: not for async threads.
    pub fn new(bytes: Vec<u8>, signature: Result<Signature, MissingSignature>) -> Self {
        Self { digest: Sha256Digest::of(&bytes), bytes, signature }
    }

    /// Reads a file of at most so many bytes, and the signature beside it. Takes a while: not for async threads.
    ///
    /// # Errors
    /// Also where it is no file: reading a pipe or a device might never end.
    pub fn read(path: &Path, most: ByteSize) -> io::Result<Self> {
        let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no file"));
        }
        let mut bytes = Vec::new();
        file.take(most.bytes() as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > most.bytes() {
            let problem = format!(
                "is larger than limits.max_component of {most}: it has {} bytes",
                metadata.len()
            );
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
        }
        Ok(Self::new(bytes, Signature::read_beside(path)))
    }

    /// The hash of the bytes.
    pub fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The signature that came with the bytes, if one did, whosever it is.
    pub fn signature(&self) -> Option<&Signature> {
        self.signature.as_ref().ok()
    }

    /// Whether one of those who have to has signed it. Of large ones that takes a while: not for async
    /// threads.
    ///
    /// # Errors
    /// Why it is not trusted.
    pub fn check_signature(&self, signers: &TrustedKeys) -> Result<(), SignatureError> {
        signers.verify(&self.bytes, self.signature.as_ref())
    }
}
