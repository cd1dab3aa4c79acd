//! What is watched, and looking at it.

use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use super::look::Look;
use super::{MAX_FILES, WatchError};

/// What is watched.
#[derive(Debug)]
pub(super) enum Subjects {
    Files(Vec<File>),
    Trees {
        roots: Vec<PathBuf>,
        /// Folders that do not count.
        except: Vec<PathBuf>,
    },
}

/// A single file.
#[derive(Debug)]
pub(super) struct File {
    /// As it was given, which is what is reported.
    path: PathBuf,
    folder: PathBuf,
    name: PathBuf,
}

impl Subjects {
    pub(super) fn files(files: impl IntoIterator<Item = PathBuf>) -> Result<Self, WatchError> {
        files.into_iter().map(File::new).collect::<Result<_, _>>().map(Self::Files)
    }

    pub(super) fn trees(
        roots: impl IntoIterator<Item = PathBuf>,
        except: Vec<PathBuf>,
    ) -> Result<Self, WatchError> {
        let roots = roots.into_iter().map(absolute).collect::<Result<_, _>>()?;
        Ok(Self::Trees { roots, except })
    }

    /// Whether a file that goes is a change; of a component it is the first half of one.
    pub(super) fn report_what_goes(&self) -> bool {
        matches!(self, Self::Trees { .. })
    }

    pub(super) fn look(&self) -> Look {
        let mut look = Look::default();
        match self {
            Self::Files(files) => files.iter().for_each(|file| file.look(&mut look)),
            Self::Trees { roots, except } => {
                // Resolved at each look, since they may not be there yet at the first.
                let except: Vec<_> =
                    except.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
                roots.iter().for_each(|root| look_at_root(root, &except, &mut look));
            }
        }
        look
    }
}

impl File {
    fn new(path: PathBuf) -> Result<Self, WatchError> {
        let whole = absolute(path.clone())?;
        let (Some(folder), Some(name)) = (whole.parent(), whole.file_name()) else {
            let source = std::io::ErrorKind::IsADirectory.into();
            return Err(WatchError::Path { path, source });
        };
        Ok(Self { path, folder: folder.to_owned(), name: name.into() })
    }

    /// Looks at the file, the folder it is named in and the one it lies in, which a link may part.
    fn look(&self, look: &mut Look) {
        look.add_file(&self.path);
        let Ok(folder) = self.folder.canonicalize() else {
            look.lacks_a_folder = true;
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
fn look_at_root(root: &Path, except: &[PathBuf], look: &mut Look) {
    match root.canonicalize() {
        Ok(root) if root.is_dir() => look_at_tree(root, except, look),
        Ok(file) => {
            look.add_file(&file);
            file.parent().into_iter().for_each(|folder| look.add_folder(folder));
        }
        // It may come: its folder tells.
        Err(_) => match root.parent().and_then(|folder| folder.canonicalize().ok()) {
            Some(folder) => look.add_folder(&folder),
            None => look.lacks_a_folder = true,
        },
    }
}

fn look_at_tree(root: PathBuf, except: &[PathBuf], look: &mut Look) {
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        look.add_folder(&folder);
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if look.files.len() + look.folders.len() + folders.len() >= MAX_FILES {
                look.is_cut = true;
                return;
            }
            let path = entry.path();
            if !counts(&entry) || except.contains(&path) {
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
fn counts(entry: &DirEntry) -> bool {
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
