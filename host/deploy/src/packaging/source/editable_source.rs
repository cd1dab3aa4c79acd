//! The source files of a plugin, for an editor.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::edit_error::{EditError, MAX_EDITABLE_BYTES};
use super::skipped_files::{VENDOR, is_skipped};
use narrowboat_core::atomic_file::{AtomicFileAt, Durability};
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_core::source_bundle::SourcePath;

/// The most files that are listed.
const MAX_LISTED: usize = 200;

/// The most files and folders that are looked at for a list.
const MAX_ENTRIES: usize = 5_000;

/// The permissions of a file in its mode.
const PERMISSION_BITS: u32 = 0o777;

/// The permissions to write a file, of its owner, its group and others.
const WRITE_BITS: u32 = 0o222;

/// The folder of a source plugin, whose text files an editor reads and writes. Only files that a bundle gets are
/// reachable, except installed packages. No path leads out of the folder: no part of it may be a symbolic link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditableSource {
    folder: PathBuf,
}

/// The text of a source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// The text.
    pub text: String,
    /// The SHA-256 of the text.
    pub digest: Sha256Digest,
}

/// A regular file of the folder, and the open folder that has it.
struct OpenSourceFile {
    folder: OwnedFd,
    name: String,
    file: File,
}

impl EditableSource {
    /// The files of a folder, which need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The paths of the text files that an editor can open, in their order. The list is bounded. Blocks on the disk.
    pub fn list(&self) -> Vec<SourcePath> {
        let mut paths = Vec::new();
        let mut folders = vec![PathBuf::new()];
        let mut entry_count = 0;
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(self.folder.join(&folder)) else { continue };
            for entry in entries.flatten() {
                entry_count += 1;
                if entry_count > MAX_ENTRIES || paths.len() >= MAX_LISTED {
                    break;
                }
                let path = folder.join(entry.file_name());
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) && is_editable(&path) {
                    folders.push(path);
                } else if let Some(path) = path.to_str().and_then(|it| SourcePath::parse(it).ok())
                    && self.read(&path).is_ok()
                {
                    paths.push(path);
                }
            }
        }
        paths.sort();
        paths
    }

    /// Reads a file. Blocks on the disk.
    ///
    /// # Errors
    /// If there is no such file, or it is not a text of at most [`MAX_EDITABLE_BYTES`].
    pub fn read(&self, path: &SourcePath) -> Result<SourceText, EditError> {
        let bytes = self.open(path)?.read(path)?;
        let digest = Sha256Digest::of(&bytes);
        let text = String::from_utf8(bytes).map_err(|_| EditError::NotText(path.to_string()))?;
        Ok(SourceText { text, digest })
    }

    /// Writes a file that exists and has the digest `expected`. Readers find the old text or the new one. Blocks on the
    /// disk. Returns the digest of the text.
    ///
    /// # Errors
    /// As [`read`](Self::read), and if the file has changed or cannot be written.
    pub fn write(
        &self,
        path: &SourcePath,
        text: &str,
        expected: Sha256Digest,
    ) -> Result<Sha256Digest, EditError> {
        if text.len() > MAX_EDITABLE_BYTES {
            return Err(EditError::TooLarge(path.to_string()));
        }
        let current = self.open(path)?;
        let digest = Sha256Digest::of(&current.read(path)?);
        if digest != expected {
            return Err(EditError::Changed { path: path.to_string(), current: digest });
        }
        let mode = current.mode().map_err(|source| system_error(path, source))?;
        if mode & WRITE_BITS == 0 {
            return Err(EditError::ReadOnly(path.to_string()));
        }
        let replaced = current.replace(text.as_bytes(), mode);
        replaced.map_err(|source| system_error(path, source))?;
        Ok(Sha256Digest::of(text.as_bytes()))
    }

    /// Opens a file, one folder of its path after the other.
    fn open(&self, path: &SourcePath) -> Result<OpenSourceFile, EditError> {
        if !is_editable(Path::new(path.as_str())) {
            return Err(EditError::NotFound(path.to_string()));
        }
        let failed = |error: Errno| open_error(path, error);
        let (folders, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
        let folder_flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, &self.folder, folder_flags, Mode::empty());
        let mut folder = root.map_err(failed)?;
        for part in folders.split('/').filter(|part| !part.is_empty()) {
            let flags = folder_flags | OFlags::NOFOLLOW;
            folder = rustix::fs::openat(&folder, part, flags, Mode::empty()).map_err(failed)?;
        }
        // Without NONBLOCK, a pipe would block the thread.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, name, flags, Mode::empty()).map_err(failed)?;
        let file = File::from(file);
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err(EditError::NotAFile(path.to_string()));
        }
        Ok(OpenSourceFile { folder, name: name.to_owned(), file })
    }
}

impl OpenSourceFile {
    fn read(&self, path: &SourcePath) -> Result<Vec<u8>, EditError> {
        let mut bytes = Vec::new();
        let read = (&self.file).take(MAX_EDITABLE_BYTES as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|source| system_error(path, source))?;
        if bytes.len() > MAX_EDITABLE_BYTES {
            return Err(EditError::TooLarge(path.to_string()));
        }
        Ok(bytes)
    }

    /// The permissions.
    fn mode(&self) -> io::Result<u32> {
        Ok(self.file.metadata()?.permissions().mode() & PERMISSION_BITS)
    }

    /// Replaces the file by one with these permissions.
    fn replace(self, bytes: &[u8], mode: u32) -> io::Result<()> {
        let mut file = AtomicFileAt::create(self.folder, mode)?;
        file.set_mode(mode)?;
        file.write_all(bytes)?;
        // It is the only copy of the author's work.
        file.replace(&self.name, Durability::Synced)
    }
}

/// Whether an editor may open a path: a bundle gets it, and it is not of an installed package.
fn is_editable(path: &Path) -> bool {
    !is_skipped(path) && !path.starts_with(VENDOR)
}

fn open_error(path: &SourcePath, error: Errno) -> EditError {
    match error {
        Errno::NOENT => EditError::NotFound(path.to_string()),
        // A part of the path is a link, or a file where a folder should be.
        Errno::LOOP | Errno::NOTDIR | Errno::NXIO => EditError::NotAFile(path.to_string()),
        error => system_error(path, error.into()),
    }
}

fn system_error(path: &SourcePath, source: io::Error) -> EditError {
    EditError::System { path: path.to_string(), source }
}

#[cfg(test)]
mod tests;
