//! A component's bytes and the hash that names them.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::hash::Hash;
use crate::units::ByteSize;

/// One build of a plugin before it is compiled: bytes that need not be a component, hashed once.
#[derive(Debug)]
pub struct Build {
    digest: Hash,
    bytes: Vec<u8>,
}

impl Build {
    /// Hashes the bytes. Of large ones that takes a while: not for async threads.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { digest: Hash::of(&bytes), bytes }
    }

    /// Reads a file of at most so many bytes. Takes a while: not for async threads.
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
        Ok(Self::new(bytes))
    }

    /// The hash of the bytes.
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
