//! A built plugin and its file.

use std::path::{Path, PathBuf};

use narrowboat_core::atomic_file;
use narrowboat_core::manifest::Manifest;

/// Readable and writable by all, less the process's umask.
const FILE_MODE: u32 = 0o666;

/// A built plugin.
#[derive(Debug)]
pub struct BuiltPlugin {
    /// The path of its component or source bundle.
    pub file: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// The component or the source bundle, which holds the manifest.
    pub bytes: Vec<u8>,
    /// Whether the bytes differ from those that the file held before.
    pub has_changed: bool,
}

/// Writes a component or a source bundle atomically: readers see the old bytes or the new ones. Returns whether the file has changed. An
/// unchanged file is not written, so that watchers of it see no change.
pub(super) fn write_if_changed(file: &Path, bytes: &[u8]) -> std::io::Result<bool> {
    if std::fs::read(file).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    atomic_file::write(file, FILE_MODE, bytes)?;
    Ok(true)
}
