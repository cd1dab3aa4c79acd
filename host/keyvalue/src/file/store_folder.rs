//! The folder of a store in a file.

use std::fmt;
use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::disk_file::DiskFile;
use crate::StoreOpenError;
use narrowboat_core::folder_path::find_non_folder;
use narrowboat_core::fs_ownership;

/// Only the owner may list and change the folder.
const FOLDER_MODE: u32 = 0o700;

/// Only the owner may read and write the files.
const FILE_MODE: u32 = 0o600;

/// The beginning of the names of files that are not whole.
const PARTIAL_PREFIX: &str = ".partial-";

/// The disk of a store: what the host makes of its file.
pub(super) struct Disk(pub(super) Box<MakeDiskFile>);

type MakeDiskFile = dyn Fn(File) -> Box<dyn DiskFile> + Send + Sync;

impl fmt::Debug for Disk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Disk").finish_non_exhaustive()
    }
}

/// The folder of a store, locked for this process. It has the file of the store, and a file that is only a lock: the
/// file of the store is replaced by a compaction.
#[derive(Debug)]
pub(crate) struct StoreFolder {
    folder: PathBuf,
    disk: Disk,
    /// The lock lasts until this is closed.
    _lock: File,
}

impl StoreFolder {
    /// Locks a folder, and creates it if it does not exist.
    ///
    /// # Errors
    /// If the folder cannot be created, other users can write to it, or another process has it open.
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreOpenError> {
        Self::open_with(folder, Disk(Box::new(|file| Box::new(file))))
    }

    /// Locks a folder whose file of the store is on `disk`.
    pub(super) fn open_with(folder: &Path, disk: Disk) -> Result<Self, StoreOpenError> {
        let system = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreOpenError::System { path, source }
        };
        if let Some(other) = find_non_folder(folder) {
            return Err(StoreOpenError::NotAFolder(other.to_owned()));
        }
        DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(folder)
            .map_err(system(folder))?;
        // The name of a new folder is on the disk only after this.
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = File::open(parent.unwrap_or(Path::new(".")));
        parent.and_then(|parent| parent.sync_all()).map_err(system(folder))?;
        let metadata = std::fs::metadata(folder).map_err(system(folder))?;
        fs_ownership::check_ownership(&metadata)
            .map_err(|source| StoreOpenError::Untrusted { path: folder.to_owned(), source })?;
        let path = folder.join("lock");
        let mut options = File::options();
        let lock = options.create(true).truncate(false).write(true).mode(FILE_MODE).open(&path);
        let lock = lock.map_err(system(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreOpenError::InUse(Self::file_in(folder)));
            }
            Err(TryLockError::Error(source)) => {
                return Err(StoreOpenError::System { path, source });
            }
        }
        let opened = Self { folder: folder.to_owned(), disk, _lock: lock };
        opened.remove_partial_files().map_err(system(folder))?;
        Ok(opened)
    }

    /// Returns the path of the file of the store.
    pub(crate) fn file(&self) -> PathBuf {
        Self::file_in(&self.folder)
    }

    fn file_in(folder: &Path) -> PathBuf {
        folder.join("keyvalue.redb")
    }

    /// Opens the file of the store, and creates it if it does not exist.
    pub(super) fn open_file(&self) -> io::Result<Box<dyn DiskFile>> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let file = options.open(self.file())?;
        // A new name is on the disk only after this.
        self.sync()?;
        Ok(self.on_disk(file))
    }

    /// Returns a file of the folder as the disk of the store has it.
    pub(super) fn on_disk(&self, file: File) -> Box<dyn DiskFile> {
        (self.disk.0)(file)
    }

    /// Creates a file in the folder, which is removed when it is dropped.
    pub(super) fn partial_file(&self) -> io::Result<tempfile::NamedTempFile> {
        tempfile::Builder::new().prefix(PARTIAL_PREFIX).tempfile_in(&self.folder)
    }

    /// Makes a whole file the file of the store.
    pub(super) fn replace_file(&self, file: tempfile::NamedTempFile) -> io::Result<()> {
        file.as_file().sync_all()?;
        file.persist(self.file()).map_err(|error| error.error)?;
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    /// Removes files that a process left which was killed.
    fn remove_partial_files(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(PARTIAL_PREFIX.as_bytes()) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}
