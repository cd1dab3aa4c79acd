//! Files that are complete whenever they can be found under their name.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

/// The end of the name that a file has until it is complete.
const TEMP_SUFFIX: &str = ".unfinished";

/// Digits of a temporary name, without its dot and its suffix.
const TEMP_NAME_DIGITS: usize = 16;

/// A file that is being written. It lies in its folder under a random name, so two writers never share one, and gets its
/// own name when it is complete. Dropped before that, it is removed and nothing has changed.
#[derive(Debug)]
pub struct AtomicFile {
    dir: OwnedFd,
    temp_name: String,
    file: File,
    is_committed: bool,
}

/// Whether a file has to survive a power failure once it has its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Yes: its bytes and its name are flushed to the disk.
    Synced,
    /// No: whoever reads it can tell a damaged one and make it anew.
    NotSynced,
}

impl AtomicFile {
    /// Begins a file in a folder, with these permissions less the process's umask.
    ///
    /// # Errors
    /// When the system does not allow it.
    pub fn create(folder: &Path, mode: u32) -> io::Result<Self> {
        // The folder of a bare file name is the one that the process works in.
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Self::create_at(rustix::fs::open(folder, flags, Mode::empty())?, mode)
    }

    /// Begins a file in a folder that is open already.
    ///
    /// # Errors
    /// When the system does not allow it.
    pub fn create_at(folder: OwnedFd, mode: u32) -> io::Result<Self> {
        let temporary = format!(".{:0TEMP_NAME_DIGITS$x}{TEMP_SUFFIX}", rand::random::<u64>());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, &*temporary, flags, Mode::from_raw_mode(mode))?;
        Ok(Self { dir: folder, temp_name: temporary, file: file.into(), is_committed: false })
    }

    /// Gives the file its name, in the place of the file that had it. Readers find the old bytes or the new.
    ///
    /// # Errors
    /// When the bytes cannot be flushed or the file cannot be renamed; nothing has changed then.
    pub fn replace(mut self, name: impl AsRef<Path>, durability: Durability) -> io::Result<()> {
        let name = name.as_ref();
        self.flush_to_disk(durability)?;
        rustix::fs::renameat(&self.dir, &*self.temp_name, &self.dir, name)?;
        self.is_committed = true;
        self.sync_dir(durability);
        Ok(())
    }

    /// Gives the file its name if no other file has it.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if there is one, and as [`AtomicFile::replace`]; nothing has changed then.
    pub fn create_new(mut self, name: impl AsRef<Path>) -> io::Result<()> {
        let name = name.as_ref();
        self.flush_to_disk(Durability::Synced)?;
        match rustix::fs::linkat(&self.dir, &*self.temp_name, &self.dir, name, AtFlags::empty()) {
            // The temporary name goes when `self` is dropped.
            Ok(()) => {}
            // A file system without hard links.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => {
                match rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
                    Err(Errno::NOENT) => {}
                    Err(error) => return Err(error.into()),
                }
                rustix::fs::renameat(&self.dir, &*self.temp_name, &self.dir, name)?;
                self.is_committed = true;
            }
            Err(error) => return Err(error.into()),
        }
        self.sync_dir(Durability::Synced);
        Ok(())
    }

    fn flush_to_disk(&mut self, durability: Durability) -> io::Result<()> {
        self.file.flush()?;
        match durability {
            Durability::Synced => self.file.sync_all(),
            Durability::NotSynced => Ok(()),
        }
    }

    /// Flushes the name. The new file is what everybody reads from now on, so a failure is not the writer's: it only means
    /// that the old file may come back after a power failure.
    fn sync_dir(&self, durability: Durability) {
        if durability == Durability::Synced
            && let Err(error) = rustix::fs::fsync(&self.dir)
        {
            tracing::warn!("a file that was written may be lost in a power failure: {error}");
        }
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.is_committed {
            // Whoever begins in the folder the next time may remove it as well.
            let _ = rustix::fs::unlinkat(self.dir.as_fd(), &*self.temp_name, AtFlags::empty());
        }
    }
}

/// Writes a whole file in the place of the one that has its name.
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

/// Whether a name is a temporary one of an [`AtomicFile`]: in a folder where nobody writes, a crash left it behind.
pub fn is_temp_name(name: &str) -> bool {
    let digits = name.strip_prefix('.').and_then(|name| name.strip_suffix(TEMP_SUFFIX));
    digits.is_some_and(|digits| {
        digits.len() == TEMP_NAME_DIGITS
            && digits.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that is removed with this.
    struct Scratch(std::path::PathBuf);

    impl Scratch {
        fn new() -> Self {
            let folder =
                std::env::temp_dir().join(format!("narrowboat-{:x}", rand::random::<u64>()));
            std::fs::create_dir(&folder).unwrap();
            Self(folder)
        }

        fn names(&self) -> Vec<String> {
            let entries = std::fs::read_dir(&self.0).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn two_writers_of_one_name_never_mix_their_bytes() {
        let scratch = Scratch::new();
        let path = scratch.0.join("file");
        let (mut first, mut second) = (
            AtomicFile::create(&scratch.0, 0o600).unwrap(),
            AtomicFile::create(&scratch.0, 0o600).unwrap(),
        );
        first.write_all(b"fir").unwrap();
        second.write_all(b"second").unwrap();
        first.write_all(b"st").unwrap();
        first.replace("file", Durability::Synced).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        second.replace("file", Durability::Synced).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(scratch.names(), ["file"]);
    }

    #[test]
    fn a_writer_that_gives_up_changes_nothing() {
        let scratch = Scratch::new();
        write(&scratch.0.join("file"), 0o600, b"old").unwrap();
        let mut given_up = AtomicFile::create(&scratch.0, 0o600).unwrap();
        given_up.write_all(b"new").unwrap();
        assert!(scratch.names().iter().any(|name| is_temp_name(name)));
        drop(given_up);
        assert_eq!(scratch.names(), ["file"]);
        assert_eq!(std::fs::read(scratch.0.join("file")).unwrap(), b"old");
    }

    #[test]
    fn a_new_file_replaces_none() {
        let scratch = Scratch::new();
        let path = scratch.0.join("file");
        write_new(&path, 0o600, b"old").unwrap();
        let error = write_new(&path, 0o600, b"new").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(scratch.names(), ["file"]);
    }

    #[test]
    fn only_its_own_temporary_names_are_temporary() {
        assert!(is_temp_name(".0123456789abcdef.unfinished"));
        for name in
            ["", ".unfinished", "0123456789abcdef.unfinished", ".thesis.unfinished", "a.wasm"]
        {
            assert!(!is_temp_name(name), "{name}");
        }
    }
}
