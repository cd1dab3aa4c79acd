//! The system's own word that something changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{ErrorKind, Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::file_scan::FolderId;
use super::watch_thread::WatchThreadHandle;

/// Paths that events may name between two looks; past it the looks alone decide.
const MAX_EVENT_PATHS: usize = 1_024;

/// Events for a set of folders.
pub(super) struct NotifyWatcher {
    watcher: RecommendedWatcher,
    event_paths: Arc<Mutex<EventPaths>>,
    /// The folders that are watched, as they were then.
    folders: BTreeMap<PathBuf, FolderId>,
}

/// What events named since the last look.
#[derive(Debug, Default)]
pub(super) struct EventPaths {
    pub(super) paths: BTreeSet<PathBuf>,
    /// Whether events were lost.
    pub(super) is_truncated: bool,
}

/// Why the system tells of nothing, in words for the operator.
pub(super) struct NotifyError(String);

impl std::fmt::Display for NotifyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl NotifyWatcher {
    /// Has events wake a lookout.
    pub(super) fn new(waker: WatchThreadHandle) -> Result<Self, NotifyError> {
        let named = Arc::<Mutex<EventPaths>>::default();
        let noted = Arc::clone(&named);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.as_ref().is_ok_and(|event| is_read_only(event.kind)) {
                return;
            }
            record_event(&mut noted.lock().unwrap_or_else(PoisonError::into_inner), event);
            waker.wake();
        });
        let watcher = watcher.map_err(|error| notify_error(&error))?;
        Ok(Self { watcher, event_paths: named, folders: BTreeMap::new() })
    }

    /// What events named since this was last asked.
    pub(super) fn take_paths(&mut self) -> EventPaths {
        let named = {
            let mut named = self.event_paths.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *named)
        };
        // A folder that went took the watch on it and on all below it along, even if it is back.
        let is_named = |path: &Path| path.ancestors().any(|path| named.paths.contains(path));
        let gone: Vec<_> = self
            .folders
            .keys()
            .filter(|path| named.is_truncated || is_named(path))
            .cloned()
            .collect();
        for folder in gone {
            self.unwatch_folder(&folder);
        }
        named
    }

    /// Watches these folders and no others; returns whether some are new, in which something may
    /// have changed unnoticed.
    ///
    /// # Errors
    /// When the system can watch no more.
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
                // It is gone already, or may not be read: the next look sees.
                Err(_) => {}
            }
        }
        Ok(has_new)
    }

    fn unwatch_folder(&mut self, folder: &Path) {
        self.folders.remove(folder);
        // The watch is gone by itself if the folder is.
        let _ = self.watcher.unwatch(folder);
    }
}

/// Whether an event is of no interest.
fn is_read_only(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access != AccessKind::Close(AccessMode::Write),
        _ => false,
    }
}

fn record_event(named: &mut EventPaths, event: notify::Result<Event>) {
    let Ok(event) = event else {
        named.is_truncated = true;
        return;
    };
    named.is_truncated |= event.need_rescan();
    for path in event.paths {
        if named.paths.len() < MAX_EVENT_PATHS {
            named.paths.insert(path);
        } else {
            named.is_truncated = true;
        }
    }
}

fn is_watch_limit(error: &notify::Error) -> bool {
    matches!(error.kind, ErrorKind::MaxFilesWatch)
}

/// Names the setting to raise, where there is one.
fn notify_error(error: &notify::Error) -> NotifyError {
    let setting = if is_watch_limit(error) { "max_user_watches" } else { "max_user_instances" };
    let remedy = if cfg!(target_os = "linux") {
        format!(" (raise fs.inotify.{setting} with sysctl)")
    } else {
        String::new()
    };
    NotifyError(format!("{error}{remedy}"))
}
