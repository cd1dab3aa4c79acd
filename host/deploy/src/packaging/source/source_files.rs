//! The files of a source plugin, as a bundle gets them.

use std::collections::BTreeMap;
use std::fs::{DirEntry, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::skipped_files::{is_not_source, is_skipped};
use super::source_folder_error::SourceFolderError;
use narrowboat_core::source_bundle::{SourceBundle, SourcePath};
use narrowboat_core::units::ByteSize;

/// The most files and folders that are looked at, those included that a bundle skips.
const MAX_ENTRIES: usize = 50_000;

/// The endings of native extensions.
const NATIVE_ENDINGS: [&str; 3] = [".so", ".pyd", ".dylib"];

/// The files of a source plugin with their paths in the bundle. Never holds more bytes than a bundle may have.
#[derive(Debug)]
pub(super) struct SourceFiles {
    /// The folder of the plugin, for errors.
    folder: PathBuf,
    limit: ByteSize,
    files: BTreeMap<SourcePath, Vec<u8>>,
    total_size: usize,
    entry_count: usize,
    /// The largest file and its size.
    largest: (PathBuf, usize),
}

impl SourceFiles {
    /// No files. A bundle of the folder may have `limit` bytes.
    pub(super) fn new(folder: &Path, limit: ByteSize) -> Self {
        Self {
            folder: folder.to_owned(),
            limit,
            files: BTreeMap::new(),
            total_size: 0,
            entry_count: 0,
            largest: (PathBuf::new(), 0),
        }
    }

    /// Adds the files below a folder. `prefix` is its path in the bundle; it is empty for the folder of the plugin.
    ///
    /// # Errors
    /// If a file cannot be read or is not allowed in a bundle, or if there are too many of them.
    pub(super) fn add_folder(
        &mut self,
        folder: &Path,
        prefix: &Path,
    ) -> Result<(), SourceFolderError> {
        self.add_folder_without(folder, prefix, &|path, _| is_skipped(path))
    }

    /// Adds the files below the folder of the plugin, those of its tests included.
    ///
    /// # Errors
    /// As [`Self::add_folder`].
    pub(super) fn add_plugin_with_tests(&mut self) -> Result<(), SourceFolderError> {
        let folder = self.folder.clone();
        self.add_folder_without(&folder, Path::new(""), &|path, _| is_not_source(path))
    }

    /// Adds the files below a folder except those that `skips` names by their path in the bundle, and by whether they are
    /// folders.
    ///
    /// # Errors
    /// As [`Self::add_folder`].
    pub(super) fn add_folder_without(
        &mut self,
        folder: &Path,
        prefix: &Path,
        skips: &dyn Fn(&Path, bool) -> bool,
    ) -> Result<(), SourceFolderError> {
        let mut folders = vec![(folder.to_owned(), prefix.to_owned())];
        while let Some((folder, prefix)) = folders.pop() {
            let unreadable = |source| SourceFolderError::Read { path: folder.clone(), source };
            for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?;
                self.count_entry()?;
                let path = prefix.join(entry.file_name());
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if skips(&path, is_folder) {
                    continue;
                }
                if self.add_entry(&entry, &path)? {
                    folders.push((entry.path(), path));
                }
            }
        }
        Ok(())
    }

    /// The size of the files so far, in bytes.
    pub(super) fn total_size(&self) -> usize {
        self.total_size
    }

    /// The paths of the tests among the files. Files of packages count as tests too, so they are added later.
    pub(super) fn tests(&self) -> Vec<SourcePath> {
        let paths = self.files.keys();
        paths.filter(|path| is_skipped(Path::new(path.as_str()))).cloned().collect()
    }

    /// Removes files.
    pub(super) fn remove(&mut self, paths: &[SourcePath]) {
        for path in paths {
            self.files.remove(path);
        }
    }

    /// Packs the files.
    ///
    /// # Errors
    /// If the files do not make a bundle, or the bundle is too large.
    pub(super) fn pack(&self) -> Result<Vec<u8>, SourceFolderError> {
        let bytes = SourceBundle::pack(&self.files)
            .map_err(|source| SourceFolderError::Bundle { folder: self.folder.clone(), source })?;
        if bytes.len() > self.limit.bytes() { Err(self.too_large()) } else { Ok(bytes) }
    }

    fn count_entry(&mut self) -> Result<(), SourceFolderError> {
        self.entry_count += 1;
        if self.entry_count > MAX_ENTRIES {
            let folder = self.folder.clone();
            return Err(SourceFolderError::TooManyEntries { folder, most: MAX_ENTRIES });
        }
        Ok(())
    }

    /// Adds an entry if it is a file. Returns whether it is a folder. `path` is its path in the bundle.
    fn add_entry(&mut self, entry: &DirEntry, path: &Path) -> Result<bool, SourceFolderError> {
        let file = entry.path();
        let kind = entry.file_type().map_err(|source| read_error(&file, source))?;
        if kind.is_symlink() {
            return Err(SourceFolderError::Link(file));
        }
        if kind.is_dir() {
            return Ok(true);
        }
        if !kind.is_file() {
            return Err(SourceFolderError::NotAFile(file));
        }
        let Some(text) = path.to_str() else {
            return Err(SourceFolderError::NameNotUtf8(file));
        };
        if NATIVE_ENDINGS.iter().any(|ending| text.ends_with(ending)) {
            return Err(SourceFolderError::NativeExtension(file));
        }
        let path = SourcePath::parse(text)
            .map_err(|source| SourceFolderError::Path { folder: self.folder.clone(), source })?;
        let content = self.read_file(&file)?;
        self.files.insert(path, content);
        Ok(false)
    }

    /// Reads a file, unless the files were too large with it.
    fn read_file(&mut self, path: &Path) -> Result<Vec<u8>, SourceFolderError> {
        let (file, size) = open_file(path).map_err(|source| read_error(path, source))?;
        self.count_size(path, size)?;
        let mut content = Vec::new();
        let read = file.take(size as u64 + 1).read_to_end(&mut content);
        read.map_err(|source| read_error(path, source))?;
        if content.len() > size {
            let source = io::Error::other("has grown while it was read; try again");
            return Err(read_error(path, source));
        }
        Ok(content)
    }

    fn count_size(&mut self, path: &Path, size: usize) -> Result<(), SourceFolderError> {
        if size >= self.largest.1 {
            self.largest = (path.to_owned(), size);
        }
        self.total_size = self.total_size.saturating_add(size);
        if self.total_size > self.limit.bytes() { Err(self.too_large()) } else { Ok(()) }
    }

    fn too_large(&self) -> SourceFolderError {
        let (largest, largest_size) = self.largest.clone();
        SourceFolderError::TooLarge {
            folder: self.folder.clone(),
            limit: self.limit,
            largest,
            largest_size,
        }
    }
}

/// Opens a regular file and returns its size. A link or a pipe that has replaced the file meanwhile is not opened.
fn open_file(path: &Path) -> io::Result<(File, usize)> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
    }
    Ok((file, usize::try_from(metadata.len()).unwrap_or(usize::MAX)))
}

fn read_error(path: &Path, source: io::Error) -> SourceFolderError {
    SourceFolderError::Read { path: path.to_owned(), source }
}
