//! Atomic files in a folder that is open already.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};

use super::durability::Durability;
use super::temp_name::random_temp_name;

/// An [`AtomicFile`](super::AtomicFile) in a folder that is given as an open descriptor.
///
/// The caller has checked who owns the folder that the descriptor refers to, and a path may lead to another folder since
/// then. The crate `tempfile` knows files by path only, so this type uses the system calls that take a descriptor.
#[derive(Debug)]
pub struct AtomicFileAt {
    folder: OwnedFd,
    temp_name: String,
    file: File,
    is_published: bool,
}

impl AtomicFileAt {
    /// Creates a file under a temporary name, with the permissions `mode` minus the umask of the process.
    ///
    /// # Errors
    /// The error of the system if it cannot create the file.
    pub fn create(folder: OwnedFd, mode: u32) -> io::Result<Self> {
        let temp_name = random_temp_name();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, &*temp_name, flags, Mode::from_raw_mode(mode))?;
        Ok(Self { folder, temp_name, file: file.into(), is_published: false })
    }

    /// Sets the permissions exactly, whatever the umask is.
    ///
    /// # Errors
    /// The error of the system if it cannot set them.
    pub fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(mode))
    }

    /// Publishes the file under a name, in place of a file that has it. Readers find the old bytes or the new ones.
    ///
    /// # Errors
    /// The error of the system if it cannot flush or rename the file; nothing has changed then.
    pub fn replace(mut self, name: impl AsRef<Path>, durability: Durability) -> io::Result<()> {
        durability.sync_file(&self.file)?;
        rustix::fs::renameat(&self.folder, &*self.temp_name, &self.folder, name.as_ref())?;
        self.is_published = true;
        durability.sync_folder(&self.folder);
        Ok(())
    }
}

impl Write for AtomicFileAt {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for AtomicFileAt {
    fn drop(&mut self) {
        if !self.is_published {
            // A leftover is recognized by its name and removed by the next user of the folder.
            let _ = rustix::fs::unlinkat(&self.folder, &*self.temp_name, AtFlags::empty());
        }
    }
}
