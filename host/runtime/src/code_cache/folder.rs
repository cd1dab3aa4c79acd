//! The folder of the cache. The host runs code from it, so the folder and its files must belong to this user alone.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;
use thiserror::Error;

use super::cache_file::{CacheFile, CacheFileKind};
use narrowboat_core::atomic_file::{AtomicFileAt, Durability};
use narrowboat_core::fs_ownership::{self, OwnershipError};

/// Access for this user only.
const FOLDER_MODE: u32 = 0o700;

/// Access for this user only.
const FILE_MODE: u32 = 0o600;

/// A folder that no other user can write to. It is held open, so that the checked folder is used even if its path
/// changes.
pub(super) struct CacheFolder(OwnedFd);

/// Why a folder or file is not used.
#[derive(Debug, Error)]
pub(super) enum FolderError {
    /// The system refused an operation.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The folder is a symbolic link or not a folder.
    #[error("is a symbolic link or not a folder")]
    NotAFolder,
    /// The file is a symbolic link or not a regular file.
    #[error("is a symbolic link or not a regular file")]
    NotAFile,
    /// Another user may write to it.
    #[error(transparent)]
    Untrusted(#[from] OwnershipError),
}

impl From<Errno> for FolderError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

impl CacheFolder {
    /// Opens a folder. `None` if it does not exist.
    ///
    /// # Errors
    /// If it cannot be opened or trusted.
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

    /// Opens a folder, and creates it if it does not exist.
    ///
    /// # Errors
    /// If it cannot be created, opened or trusted.
    pub(super) fn open_or_create(path: &Path) -> Result<Self, FolderError> {
        if let Some(folder) = Self::open(path)? {
            return Ok(folder);
        }
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
        Self::open(path)?.ok_or_else(|| Errno::NOENT.into())
    }

    /// Opens a file for reading. `None` if it does not exist.
    ///
    /// # Errors
    /// If it cannot be opened or trusted.
    pub(super) fn open_file(&self, name: &str) -> Result<Option<File>, FolderError> {
        // Without NONBLOCK, opening a named pipe would block.
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

    /// Writes a file under a temporary name and renames it, so that no reader sees a part of it.
    ///
    /// # Errors
    /// If the system refuses it. No file is left then.
    pub(super) fn write(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let mut file = AtomicFileAt::create(self.0.try_clone()?, FILE_MODE)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        // Not synced: the digest detects a file that a power failure has damaged.
        file.replace(name, Durability::NotSynced)
    }

    /// Removes a file. Succeeds if another host has removed it already.
    ///
    /// # Errors
    /// If the system does not allow it.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.0, name, rustix::fs::AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Lists the files of the cache. Ignores other files in the folder.
    ///
    /// # Errors
    /// If the folder cannot be listed.
    pub(super) fn list_files(&self) -> Result<Vec<CacheFile>, FolderError> {
        let mut files = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let Some(kind) = CacheFileKind::from_file_name(name) else { continue };
            // Another host may have removed the file. An untrusted file is replaced when it is used.
            let Ok(Some(file)) = self.open_file(name) else { continue };
            let metadata = file.metadata()?;
            let (bytes, last_used) = (metadata.len(), metadata.modified()?);
            files.push(CacheFile { name: name.to_owned(), kind, bytes, last_used });
        }
        Ok(files)
    }
}
