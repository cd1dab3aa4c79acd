//! Events of the operating system.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{ErrorKind, Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::file_scan::FolderId;
use super::watch_thread_handle::WatchThreadHandle;

/// The most paths kept between two scans. Beyond it only the scans find changes.
const MAX_EVENT_PATHS: usize = 1_024;

/// Receives events for a set of folders.
pub(super) struct NotifyWatcher {
    watcher: RecommendedWatcher,
    event_paths: Arc<Mutex<EventPaths>>,
    /// The watched folders, with their identities when the watch began.
    folders: BTreeMap<PathBuf, FolderId>,
}

/// The paths that events named since the last scan.
#[derive(Debug, Default)]
pub(super) struct EventPaths {
    pub(super) paths: BTreeSet<PathBuf>,
    /// Whether events were lost.
    pub(super) is_truncated: bool,
}

/// Why the operating system sends no events, as a text for the operator.
pub(super) struct NotifyError(String);

impl std::fmt::Display for NotifyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl NotifyWatcher {
    /// Wakes the watch thread at each event.
    pub(super) fn new(thread: WatchThreadHandle) -> Result<Self, NotifyError> {
        let event_paths = Arc::<Mutex<EventPaths>>::default();
        let recorded = Arc::clone(&event_paths);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.as_ref().is_ok_and(|event| is_read_only(event.kind)) {
                return;
            }
            record_event(&mut recorded.lock().unwrap_or_else(PoisonError::into_inner), event);
            thread.wake();
        });
        let watcher = watcher.map_err(|error| notify_error(&error))?;
        Ok(Self { watcher, event_paths, folders: BTreeMap::new() })
    }

    /// Takes the paths that events named since the last call.
    pub(super) fn take_paths(&mut self) -> EventPaths {
        let taken = {
            let mut event_paths = self.event_paths.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *event_paths)
        };
        // The removal of a folder removes the watches on it and on all folders below it, even if it exists again.
        let is_named = |path: &Path| path.ancestors().any(|path| taken.paths.contains(path));
        let gone: Vec<_> = self
            .folders
            .keys()
            .filter(|path| taken.is_truncated || is_named(path))
            .cloned()
            .collect();
        for folder in gone {
            self.unwatch_folder(&folder);
        }
        taken
    }

    /// Watches these folders and no others. Returns whether some are new: a file in them may have changed before the watch
    /// began.
    ///
    /// # Errors
    /// When the operating system's limit of watches is reached.
    pub(super) fn watch_folders(
        &mut self,
        folders: &BTreeMap<PathBuf, FolderId>,
    ) -> Result<bool, NotifyError> {
        let old = self.folders.iter().filter(|(path, id)| folders.get(*path) != Some(id));
        let old: Vec<_> = old.map(|(path, _)| path.clone()).collect();
        for path in old {
            self.unwatch_folder(&path);
        }
        let mut has_new = false;
        for (path, id) in folders {
            if self.folders.contains_key(path) {
                continue;
            }
            match self.watcher.watch(path, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.folders.insert(path.clone(), id.clone());
                    has_new = true;
                }
                Err(error) if is_watch_limit(&error) => return Err(notify_error(&error)),
                // The folder is gone or not readable. The next scan finds out.
                Err(_) => {}
            }
        }
        Ok(has_new)
    }

    fn unwatch_folder(&mut self, folder: &Path) {
        self.folders.remove(folder);
        // The call fails if the folder is gone, and its watch with it.
        let _ = self.watcher.unwatch(folder);
    }
}

/// Whether an event changes no file.
fn is_read_only(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access != AccessKind::Close(AccessMode::Write),
        _ => false,
    }
}

fn record_event(event_paths: &mut EventPaths, event: notify::Result<Event>) {
    let Ok(event) = event else {
        event_paths.is_truncated = true;
        return;
    };
    event_paths.is_truncated |= event.need_rescan();
    for path in event.paths {
        if event_paths.paths.len() < MAX_EVENT_PATHS {
            event_paths.paths.insert(path);
        } else {
            event_paths.is_truncated = true;
        }
    }
}

fn is_watch_limit(error: &notify::Error) -> bool {
    matches!(error.kind, ErrorKind::MaxFilesWatch)
}

/// Names the setting to raise, if the operating system has one.
fn notify_error(error: &notify::Error) -> NotifyError {
    let setting = if is_watch_limit(error) { "max_user_watches" } else { "max_user_instances" };
    let remedy = if cfg!(target_os = "linux") {
        format!(" (raise fs.inotify.{setting} with sysctl)")
    } else {
        String::new()
    };
    NotifyError(format!("{error}{remedy}"))
}
