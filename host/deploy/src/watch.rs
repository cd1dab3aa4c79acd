//! Notices changed files: components of a host that serves, sources of plugins being written.
//!
//! An event of the system says that it is time to look, and a look compares what lies on disk with
//! the last one; so whatever a file system tells or keeps to itself, only what changed is reported.

mod file_scan;
mod notify_watcher;
mod watch_targets;
mod watch_thread;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Notify;

pub use narrowboat_config::WatchMode;
use watch_targets::WatchTargets;
use watch_thread::{WatchThread, WatchThreadHandle};

/// How long things must have been still before a change is reported, so that a file is seen when it
/// is whole.
pub const DEBOUNCE: Duration = Duration::from_millis(30);

/// The longest a change waits to be reported when things do not become still.
pub const MAX_DEBOUNCE: Duration = Duration::from_millis(300);

/// The rest between two looks that no event asked for.
pub const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The same where looks are all there is: with [`Noticing::Poll`], and while a folder is gone.
pub const POLL_ONLY_INTERVAL: Duration = Duration::from_millis(250);

/// The most files a watcher looks at; it says so where there are more.
pub const MAX_FILES: usize = 50_000;

/// Notices changes from the moment it is made until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    changed_paths: Arc<ChangedPaths>,
    thread: WatchThreadHandle,
}

/// Why files cannot be watched.
#[derive(Debug, Error)]
pub enum WatchError {
    /// The path cannot be that of a file.
    #[error("{} cannot be watched: {source}", path.display())]
    Path {
        /// The path given.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no thread to look from.
    #[error("cannot start the thread that watches files: {0}")]
    Thread(std::io::Error),
}

impl Watcher {
    /// Watches single files, which need not be there yet, however they are written: in place, by a
    /// rename, through symbolic links, in a folder that goes and comes back. A file that goes is
    /// reported when it is there again. Makes a first look: not for async threads.
    ///
    /// # Errors
    /// When a path is none, or a thread cannot be started.
    pub fn files(
        files: impl IntoIterator<Item = PathBuf>,
        noticing: WatchMode,
    ) -> Result<Self, WatchError> {
        Self::start(WatchTargets::files(files)?, noticing)
    }

    /// Watches the files in folders and in folders within them, and single files among `folders`.
    /// Hidden files, editors' temporaries, folders named `target` and the folders `except` do not
    /// count; links to folders are not followed. A file that goes is reported too. Paths are
    /// reported with their links resolved. Makes a first look: not for async threads.
    ///
    /// # Errors
    /// As [`Watcher::files`].
    pub fn trees(
        folders: impl IntoIterator<Item = PathBuf>,
        except: Vec<PathBuf>,
        noticing: WatchMode,
    ) -> Result<Self, WatchError> {
        Self::start(WatchTargets::trees(folders, except)?, noticing)
    }

    fn start(subjects: WatchTargets, noticing: WatchMode) -> Result<Self, WatchError> {
        let touched = Arc::new(ChangedPaths::default());
        let (lookout, waker) = WatchThread::new(subjects, noticing, Arc::clone(&touched));
        lookout.spawn().map_err(WatchError::Thread)?;
        Ok(Self { changed_paths: touched, thread: waker })
    }

    /// Waits for a change, and returns what was touched since the last answer, in order and each
    /// path once. Cancel safe.
    pub async fn changed(&mut self) -> Vec<PathBuf> {
        loop {
            let paths = self.changed_paths.take();
            if !paths.is_empty() {
                return paths;
            }
            self.changed_paths.notify.notified().await;
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.thread.stop();
    }
}

/// What was touched and has not been asked for: paths that are watched, each once.
#[derive(Debug, Default)]
struct ChangedPaths {
    paths: Mutex<BTreeSet<PathBuf>>,
    notify: Notify,
}

impl ChangedPaths {
    fn add(&self, paths: impl IntoIterator<Item = PathBuf>) {
        {
            let mut touched = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
            let room = MAX_FILES.saturating_sub(touched.len());
            touched.extend(paths.into_iter().take(room));
        }
        self.notify.notify_one();
    }

    fn take(&self) -> Vec<PathBuf> {
        let mut touched = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *touched).into_iter().collect()
    }
}
