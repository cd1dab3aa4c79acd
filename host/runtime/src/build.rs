//! A component's bytes, the hash that names them, and who has signed them.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use narrowboat_config::signature::{Distrust, Signature, Signers, Unsigned};
use narrowboat_core::hash::Hash;
use narrowboat_core::units::ByteSize;

/// One build of a plugin before it is compiled: bytes that need not be a component, hashed once.
#[derive(Debug)]
pub struct Build {
    digest: Hash,
    bytes: Vec<u8>,
    signature: Result<Signature, Unsigned>,
}

impl Build {
    /// Hashes the bytes; the signature came with them and is not checked. Of large ones that takes a
    /// while: not for async threads.
    pub fn new(bytes: Vec<u8>, signature: Result<Signature, Unsigned>) -> Self {
        Self { digest: Hash::of(&bytes), bytes, signature }
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
                "is larger than limits.component of {most}: it has {} bytes",
                metadata.len()
            );
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
        }
        Ok(Self::new(bytes, Signature::beside(path)))
    }

    /// The hash of the bytes.
    pub fn digest(&self) -> Hash {
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
    pub fn check_signature(&self, signers: &Signers) -> Result<(), Distrust> {
        signers.check(&self.bytes, self.signature.as_ref())
    }
}
