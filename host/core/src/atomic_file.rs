//! Files that are complete whenever a reader finds them under their name.

mod atomic_file_at;
mod durability;
mod temp_name;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tempfile::{NamedTempFile, PersistError};

pub use atomic_file_at::AtomicFileAt;
pub use durability::Durability;
pub use temp_name::is_temp_name;

/// A file that is being written. It has a random name until it is published, so two writers never share a file. If it is
/// dropped before that, it is removed and nothing has changed.
#[derive(Debug)]
pub struct AtomicFile {
    file: NamedTempFile,
    folder: OwnedFd,
}

impl AtomicFile {
    /// Creates a file in a folder, with the permissions `mode` minus the umask of the process.
    ///
    /// # Errors
    /// The error of the system if it cannot open the folder or create the file.
    pub fn create(folder: &Path, mode: u32) -> io::Result<Self> {
        // The parent of a bare file name is empty; it means the current directory.
        let path = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty())?;
        let mut options = File::options();
        options.write(true).create_new(true).mode(mode);
        let file = tempfile::Builder::new()
            .prefix(temp_name::PREFIX)
            .suffix(temp_name::SUFFIX)
            .rand_bytes(temp_name::RANDOM_LEN)
            // Not `tempfile_in`: its errors have the temporary path in place of the error number.
            .make_in(path, |path| options.open(path))?;
        Ok(Self { file, folder })
    }

    /// Publishes the file under a name, in place of a file that has it. Readers find the old bytes or the new ones.
    ///
    /// # Errors
    /// The error of the system if it cannot flush or rename the file; nothing has changed then.
    pub fn replace(self, name: impl AsRef<Path>, durability: Durability) -> io::Result<()> {
        let path = self.published_path(name.as_ref());
        durability.sync_file(self.file.as_file())?;
        self.file.persist(path)?;
        durability.sync_folder(&self.folder);
        Ok(())
    }

    /// Publishes the file under a name that no other file has.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if another file has the name, and the errors of [`AtomicFile::replace`]; nothing
    /// has changed then.
    pub fn create_new(self, name: impl AsRef<Path>) -> io::Result<()> {
        let path = self.published_path(name.as_ref());
        Durability::Synced.sync_file(self.file.as_file())?;
        match self.file.persist_noclobber(&path) {
            Ok(_) => {}
            Err(PersistError { error, file }) if lacks_hard_links(&error) => {
                persist_if_absent(file, &path)?;
            }
            Err(error) => return Err(error.into()),
        }
        Durability::Synced.sync_folder(&self.folder);
        Ok(())
    }

    fn published_path(&self, name: &Path) -> PathBuf {
        self.file.path().with_file_name(name)
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

/// Writes a whole file, in place of a file that has its name.
///
/// # Errors
/// As [`AtomicFile::replace`].
pub fn write(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let (file, name) = write_temp_file(path, mode, bytes)?;
    file.replace(name, Durability::Synced)
}

/// Writes a whole file that does not exist yet.
///
/// # Errors
/// As [`AtomicFile::create_new`].
pub fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let (file, name) = write_temp_file(path, mode, bytes)?;
    file.create_new(name)
}

fn write_temp_file<'a>(
    path: &'a Path,
    mode: u32,
    bytes: &[u8],
) -> io::Result<(AtomicFile, &'a OsStr)> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
    let mut file = AtomicFile::create(path.parent().unwrap_or(Path::new("")), mode)?;
    file.write_all(bytes)?;
    Ok((file, name))
}

/// Whether the file system has neither hard links nor a rename that keeps an existing file.
fn lacks_hard_links(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS))
}

/// Publishes a file unless another has its path. Another process may create one between the check and the rename.
fn persist_if_absent(file: NamedTempFile, path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            file.persist(path)?;
            Ok(())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
