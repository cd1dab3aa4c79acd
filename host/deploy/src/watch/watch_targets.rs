//! The watched files and folders, and how they are scanned.

use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use super::file_scan::FileScan;
use super::timing::MAX_FILES;
use super::watch_error::WatchError;
use crate::editor_file::is_editor_file;

/// The watched files, or the watched folders.
#[derive(Debug)]
pub(super) enum WatchTargets {
    Files(Vec<WatchedFile>),
    Trees {
        roots: Vec<PathBuf>,
        /// Folders that are ignored.
        excluded: Vec<PathBuf>,
    },
}

/// A single file.
#[derive(Debug)]
pub(super) struct WatchedFile {
    /// The path as it was given, which is reported.
    path: PathBuf,
    folder: PathBuf,
    name: PathBuf,
}

impl WatchTargets {
    pub(super) fn files(files: impl IntoIterator<Item = PathBuf>) -> Result<Self, WatchError> {
        files.into_iter().map(WatchedFile::new).collect::<Result<_, _>>().map(Self::Files)
    }

    pub(super) fn trees(
        roots: impl IntoIterator<Item = PathBuf>,
        excluded: Vec<PathBuf>,
    ) -> Result<Self, WatchError> {
        let roots = roots.into_iter().map(absolute).collect::<Result<_, _>>()?;
        Ok(Self::Trees { roots, excluded })
    }

    /// Whether the removal of a file is a change. The removal of a component is not: it is the first half of a replacement.
    pub(super) fn reports_removals(&self) -> bool {
        matches!(self, Self::Trees { .. })
    }

    pub(super) fn scan(&self) -> FileScan {
        let mut scan = FileScan::default();
        match self {
            Self::Files(files) => files.iter().for_each(|file| file.scan(&mut scan)),
            Self::Trees { roots, excluded } => {
                // Resolved at each scan, since the folders may not exist at the first one.
                let excluded: Vec<_> =
                    excluded.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
                roots.iter().for_each(|root| scan_root(root, &excluded, &mut scan));
            }
        }
        scan
    }
}

impl WatchedFile {
    fn new(path: PathBuf) -> Result<Self, WatchError> {
        let absolute_path = absolute(path.clone())?;
        let (Some(folder), Some(name)) = (absolute_path.parent(), absolute_path.file_name()) else {
            let source = std::io::ErrorKind::IsADirectory.into();
            return Err(WatchError::Path { path, source });
        };
        Ok(Self { path, folder: folder.to_owned(), name: name.into() })
    }

    /// Scans the file, the folder of its path, and the folder that holds it: a symbolic link makes these two folders.
    fn scan(&self, scan: &mut FileScan) {
        scan.add_file(&self.path);
        let Ok(folder) = self.folder.canonicalize() else {
            scan.has_missing_folder = true;
            return;
        };
        scan.add_folder(&folder);
        scan.aliases.insert(folder.join(&self.name), self.path.clone());
        if let Ok(file) = self.path.canonicalize()
            && let Some(folder) = file.parent()
        {
            scan.add_folder(folder);
            scan.aliases.insert(file, self.path.clone());
        }
    }
}

fn absolute(path: PathBuf) -> Result<PathBuf, WatchError> {
    std::path::absolute(&path).map_err(|source| WatchError::Path { path, source })
}

/// Scans a folder with all files below it, or a single file.
fn scan_root(root: &Path, excluded: &[PathBuf], scan: &mut FileScan) {
    match root.canonicalize() {
        Ok(root) if root.is_dir() => scan_tree(root, excluded, scan),
        Ok(file) => {
            scan.add_file(&file);
            file.parent().into_iter().for_each(|folder| scan.add_folder(folder));
        }
        // The root may be created later: events of its folder report that.
        Err(_) => match root.parent().and_then(|folder| folder.canonicalize().ok()) {
            Some(folder) => scan.add_folder(&folder),
            None => scan.has_missing_folder = true,
        },
    }
}

fn scan_tree(root: PathBuf, excluded: &[PathBuf], scan: &mut FileScan) {
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        scan.add_folder(&folder);
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if scan.files.len() + scan.folders.len() + folders.len() >= MAX_FILES {
                scan.is_truncated = true;
                return;
            }
            let path = entry.path();
            if !may_be_source(&entry) || excluded.contains(&path) {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                _ => scan.add_file(&path),
            }
        }
    }
}

/// Whether a file or folder may hold source code: it is not hidden, not an editor's temporary file, and not made by
/// cargo.
fn may_be_source(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    !name.starts_with('.') && !is_editor_file(&name) && name != "target"
}
