//! The result of one scan of the disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The files and folders that a scan found.
#[derive(Debug, Default)]
pub(super) struct FileScan {
    /// The existing files, by the paths as which they are reported.
    pub(super) files: BTreeMap<PathBuf, FileStamp>,
    /// The folders whose events concern these files, with links resolved.
    pub(super) folders: BTreeMap<PathBuf, FolderId>,
    /// From the paths in events to the paths as which the files are reported, if the two differ.
    pub(super) aliases: HashMap<PathBuf, PathBuf>,
    /// Whether a folder was missing. No event reports its return.
    pub(super) has_missing_folder: bool,
    /// Whether there were more than [`MAX_FILES`](super::MAX_FILES) files and folders.
    pub(super) is_truncated: bool,
}

/// Differs after a file was written. Links are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileStamp {
    device: u64,
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

/// Distinguishes a folder from one that was later created at the same path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FolderId {
    device: u64,
    inode: u64,
    /// Inode numbers are reused, so this helps to distinguish. `None` if the file system does not record it.
    created: Option<SystemTime>,
}

impl FileScan {
    /// Returns the files that changed between the scan `before` and this one: those that differ, and those that events
    /// named. Removed files are included if `with_removed` is true.
    pub(super) fn changed_since(
        &self,
        before: &Self,
        event_paths: &BTreeSet<PathBuf>,
        with_removed: bool,
    ) -> BTreeSet<PathBuf> {
        let differing = self.files.iter();
        let differing = differing.filter(|(path, stamp)| before.files.get(*path) != Some(stamp));
        let differing = differing.map(|(path, _)| path.as_path());
        let named = event_paths.iter().filter_map(|path| self.reported_path(path));
        let removed = before.files.keys().map(PathBuf::as_path);
        let removed = removed.filter(|path| with_removed && !self.files.contains_key(*path));
        differing.chain(named).chain(removed).map(Path::to_owned).collect()
    }

    /// Returns the watched file that an event named, if it is one.
    fn reported_path(&self, event_path: &Path) -> Option<&Path> {
        let path = self.aliases.get(event_path).map_or(event_path, PathBuf::as_path);
        self.files.get_key_value(path).map(|(path, _)| path.as_path())
    }

    /// Adds a file if it exists.
    pub(super) fn add_file(&mut self, path: &Path) {
        if let Ok(metadata) = path.metadata()
            && metadata.is_file()
        {
            self.files.insert(path.to_owned(), FileStamp::of(&metadata));
        }
    }

    /// Adds a folder whose links are resolved, if it exists.
    pub(super) fn add_folder(&mut self, path: &Path) {
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() => {
                self.folders.insert(path.to_owned(), FolderId::of(&metadata));
            }
            _ => self.has_missing_folder = true,
        }
    }
}

impl FileStamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl FolderId {
    fn of(metadata: &Metadata) -> Self {
        let created = metadata.created().ok();
        Self { device: metadata.dev(), inode: metadata.ino(), created }
    }
}
