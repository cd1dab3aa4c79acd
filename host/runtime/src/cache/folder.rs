//! The folder of the cache. Code from it is run, so it and its files have to be this user's alone.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;
use thiserror::Error;

use super::entry::CacheFileKind;
use super::eviction::CacheFile;
use narrowboat_core::atomic_file::{AtomicFileAt, Durability};
use narrowboat_core::fs_ownership::{self, OwnershipError};

/// For this user alone.
const FOLDER_MODE: u32 = 0o700;

/// For this user alone.
const FILE_MODE: u32 = 0o600;

/// A folder that nobody else can write to. Held open, so that what was checked is what is used,
/// whatever happens to its path.
pub(super) struct CacheFolder(OwnedFd);

/// Why a folder or file is not used.
#[derive(Debug, Error)]
pub(super) enum FolderError {
    /// The system refused something.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is a symbolic link, or of another kind.
    #[error("is a symbolic link or no folder")]
    NotAFolder,
    /// It is a symbolic link, or of another kind.
    #[error("is a symbolic link or no file")]
    NotAFile,
    /// It is not this user's alone.
    #[error(transparent)]
    Untrusted(#[from] OwnershipError),
}

impl From<Errno> for FolderError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

impl CacheFolder {
    /// Opens a folder; `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be opened or trusted.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, FolderError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(folder) => File::from(folder),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(FolderError::NotAFolder),
            Err(error) => return Err(error.into()),
        };
        fs_ownership::check_ownership(&folder.metadata()?)?;
        Ok(Some(Self(folder.into())))
    }

    /// Opens a folder, and makes it if there is none.
    ///
    /// # Errors
    /// When it cannot be made, opened or trusted.
    pub(super) fn open_or_create(path: &Path) -> Result<Self, FolderError> {
        if let Some(folder) = Self::open(path)? {
            return Ok(folder);
        }
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
        Self::open(path)?.ok_or_else(|| Errno::NOENT.into())
    }

    /// Opens a file for reading; `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be opened or trusted.
    pub(super) fn open_file(&self, name: &str) -> Result<Option<File>, FolderError> {
        // Without NONBLOCK a named pipe would be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.0, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(FolderError::NotAFile),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(FolderError::NotAFile);
        }
        fs_ownership::check_ownership(&metadata)?;
        Ok(Some(file))
    }

    /// Writes a file under another name and then gives it its own, so that nobody sees half of it.
    ///
    /// # Errors
    /// When the system has no room or does not allow it; nothing is left then.
    pub(super) fn write(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let mut file = AtomicFileAt::create(self.0.try_clone()?, FILE_MODE)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        // Not synced: a file that a power failure damaged has another digest.
        file.replace(name, Durability::NotSynced)
    }

    /// Removes a file. Another host may have done it already.
    ///
    /// # Errors
    /// When the system does not allow it.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.0, name, rustix::fs::AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The files of the cache; whatever else lies in the folder is not looked at.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub(super) fn list_files(&self) -> Result<Vec<CacheFile>, FolderError> {
        let mut files = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let Some(kind) = CacheFileKind::from_file_name(name) else { continue };
            // Another host may have removed it, and one that is not trusted is replaced when used.
            let Ok(Some(file)) = self.open_file(name) else { continue };
            let metadata = file.metadata()?;
            let (bytes, used) = (metadata.len(), metadata.modified()?);
            files.push(CacheFile { name: name.to_owned(), kind, bytes, last_used: used });
        }
        Ok(files)
    }
}
