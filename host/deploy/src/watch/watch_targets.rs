//! What is watched, and looking at it.

use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use super::file_scan::FileScan;
use super::{MAX_FILES, WatchError};

/// What is watched.
#[derive(Debug)]
pub(super) enum WatchTargets {
    Files(Vec<WatchedFile>),
    Trees {
        roots: Vec<PathBuf>,
        /// Folders that do not count.
        excluded: Vec<PathBuf>,
    },
}

/// A single file.
#[derive(Debug)]
pub(super) struct WatchedFile {
    /// As it was given, which is what is reported.
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
        except: Vec<PathBuf>,
    ) -> Result<Self, WatchError> {
        let roots = roots.into_iter().map(absolute).collect::<Result<_, _>>()?;
        Ok(Self::Trees { roots, excluded: except })
    }

    /// Whether a file that goes is a change; of a component it is the first half of one.
    pub(super) fn reports_removals(&self) -> bool {
        matches!(self, Self::Trees { .. })
    }

    pub(super) fn scan(&self) -> FileScan {
        let mut look = FileScan::default();
        match self {
            Self::Files(files) => files.iter().for_each(|file| file.scan(&mut look)),
            Self::Trees { roots, excluded: except } => {
                // Resolved at each look, since they may not be there yet at the first.
                let except: Vec<_> =
                    except.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
                roots.iter().for_each(|root| scan_root(root, &except, &mut look));
            }
        }
        look
    }
}

impl WatchedFile {
    fn new(path: PathBuf) -> Result<Self, WatchError> {
        let whole = absolute(path.clone())?;
        let (Some(folder), Some(name)) = (whole.parent(), whole.file_name()) else {
            let source = std::io::ErrorKind::IsADirectory.into();
            return Err(WatchError::Path { path, source });
        };
        Ok(Self { path, folder: folder.to_owned(), name: name.into() })
    }

    /// Looks at the file, the folder it is named in and the one it lies in, which a link may part.
    fn scan(&self, look: &mut FileScan) {
        look.add_file(&self.path);
        let Ok(folder) = self.folder.canonicalize() else {
            look.has_missing_folder = true;
            return;
        };
        look.add_folder(&folder);
        look.aliases.insert(folder.join(&self.name), self.path.clone());
        if let Ok(file) = self.path.canonicalize()
            && let Some(folder) = file.parent()
        {
            look.add_folder(folder);
            look.aliases.insert(file, self.path.clone());
        }
    }
}

fn absolute(path: PathBuf) -> Result<PathBuf, WatchError> {
    std::path::absolute(&path).map_err(|source| WatchError::Path { path, source })
}

/// Looks at a folder with all in it, or at a single file.
fn scan_root(root: &Path, except: &[PathBuf], look: &mut FileScan) {
    match root.canonicalize() {
        Ok(root) if root.is_dir() => scan_tree(root, except, look),
        Ok(file) => {
            look.add_file(&file);
            file.parent().into_iter().for_each(|folder| look.add_folder(folder));
        }
        // It may come: its folder tells.
        Err(_) => match root.parent().and_then(|folder| folder.canonicalize().ok()) {
            Some(folder) => look.add_folder(&folder),
            None => look.has_missing_folder = true,
        },
    }
}

fn scan_tree(root: PathBuf, except: &[PathBuf], look: &mut FileScan) {
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        look.add_folder(&folder);
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if look.files.len() + look.folders.len() + folders.len() >= MAX_FILES {
                look.is_truncated = true;
                return;
            }
            let path = entry.path();
            if !may_be_source(&entry) || except.contains(&path) {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                _ => look.add_file(&path),
            }
        }
    }
}

/// Whether a file or folder may hold source: it is not hidden, not an editor's own, and not what
/// cargo makes.
fn may_be_source(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    // Vim tries whether it may write to a folder with a file of this name.
    let is_temporary = name == "4913"
        || name.ends_with('~')
        || name.starts_with('#')
        || name.starts_with("___jb_")
        || [".swp", ".swx", ".tmp", ".bak"].iter().any(|end| name.ends_with(end));
    !name.starts_with('.') && !is_temporary && name != "target"
}
