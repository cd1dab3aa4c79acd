//! What one look at the disk saw.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a look saw.
#[derive(Debug, Default)]
pub(super) struct FileScan {
    /// The files that were there, by the paths they are reported as.
    pub(super) files: BTreeMap<PathBuf, FileStamp>,
    /// The folders whose events tell of them, links resolved.
    pub(super) folders: BTreeMap<PathBuf, FolderId>,
    /// What events call the files that are reported by another path.
    pub(super) aliases: HashMap<PathBuf, PathBuf>,
    /// Whether a folder was missing, so that no event can tell of its return.
    pub(super) has_missing_folder: bool,
    /// Whether there were more files than are looked at.
    pub(super) is_truncated: bool,
}

/// What is different about a file that was written: links are followed to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileStamp {
    device: u64,
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

/// Tells a folder from another that was made in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FolderId {
    device: u64,
    inode: u64,
    /// Inodes are used again; not all file systems know it.
    created: Option<SystemTime>,
}

impl FileScan {
    /// What was touched between a look and this one: what differs, and what events named. Files
    /// that are gone count if `gone` says so.
    pub(super) fn changed_since(
        &self,
        before: &Self,
        named: &BTreeSet<PathBuf>,
        gone: bool,
    ) -> BTreeSet<PathBuf> {
        let differing =
            self.files.iter().filter(|(path, mark)| before.files.get(*path) != Some(mark));
        let named = named.iter().filter_map(|path| self.reported_path(path));
        let gone = before.files.keys().filter(|path| gone && !self.files.contains_key(*path));
        let differing = differing.map(|(path, _)| path.as_path());
        differing.chain(named).chain(gone.map(PathBuf::as_path)).map(Path::to_owned).collect()
    }

    /// The watched file that an event named.
    fn reported_path(&self, event: &Path) -> Option<&Path> {
        let path = self.aliases.get(event).map_or(event, PathBuf::as_path);
        self.files.get_key_value(path).map(|(path, _)| path.as_path())
    }

    /// Adds a file if it is there.
    pub(super) fn add_file(&mut self, path: &Path) {
        if let Ok(metadata) = path.metadata()
            && metadata.is_file()
        {
            self.files.insert(path.to_owned(), FileStamp::of(&metadata));
        }
    }

    /// Adds a folder whose links are resolved, if it is there.
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
