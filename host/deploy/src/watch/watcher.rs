//! The watcher: what other crates see of this module.

use std::path::PathBuf;
use std::sync::Arc;

use super::changed_paths::ChangedPaths;
use super::watch_error::WatchError;
use super::watch_targets::WatchTargets;
use super::watch_thread::WatchThread;
use super::watch_thread_handle::WatchThreadHandle;
use narrowboat_config::WatchMode;

/// Reports changes of files, from its creation until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    changed_paths: Arc<ChangedPaths>,
    thread: WatchThreadHandle,
}

impl Watcher {
    /// Watches single files. They need not exist yet, and may be written in any way: in place, by a rename, through
    /// symbolic links, in a folder that is removed and created again. A removed file is reported once it exists again.
    /// Scans once before it returns, so it blocks: do not call it on an async thread.
    ///
    /// # Errors
    /// When a path is not the path of a file, or the thread cannot be started.
    pub fn files(
        files: impl IntoIterator<Item = PathBuf>,
        mode: WatchMode,
    ) -> Result<Self, WatchError> {
        Self::start(WatchTargets::files(files)?, mode)
    }

    /// Watches all files below folders, and single files among `roots`. Hidden files, temporary files of editors,
    /// folders with the name `target` and the `excluded` folders are ignored, and links to folders are not followed. A
    /// removed file is reported too. Reported paths have their links resolved. Scans once before it returns, so it
    /// blocks: do not call it on an async thread.
    ///
    /// # Errors
    /// As [`Watcher::files`].
    pub fn trees(
        roots: impl IntoIterator<Item = PathBuf>,
        excluded: Vec<PathBuf>,
        mode: WatchMode,
    ) -> Result<Self, WatchError> {
        Self::start(WatchTargets::trees(roots, excluded)?, mode)
    }

    fn start(targets: WatchTargets, mode: WatchMode) -> Result<Self, WatchError> {
        let changed_paths = Arc::new(ChangedPaths::default());
        let (thread, handle) = WatchThread::new(targets, mode, Arc::clone(&changed_paths));
        thread.spawn().map_err(WatchError::Thread)?;
        Ok(Self { changed_paths, thread: handle })
    }

    /// Waits for a change, and returns the paths that changed since the last call, in order and each once. Cancel-safe.
    pub async fn changed(&mut self) -> Vec<PathBuf> {
        self.changed_paths.take().await
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.thread.stop();
    }
}
