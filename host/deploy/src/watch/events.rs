//! The system's own word that something changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{ErrorKind, Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::look::FolderId;
use super::lookout::Waker;

/// Paths that events may name between two looks; past it the looks alone decide.
const MAX_NAMED: usize = 1_024;

/// Events for a set of folders.
pub(super) struct Events {
    watcher: RecommendedWatcher,
    named: Arc<Mutex<Named>>,
    /// The folders that are watched, as they were then.
    folders: BTreeMap<PathBuf, FolderId>,
}

/// What events named since the last look.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) paths: BTreeSet<PathBuf>,
    /// Whether events were lost.
    pub(super) is_cut: bool,
}

/// Why the system tells of nothing, in words for the operator.
pub(super) struct NoEvents(String);

impl std::fmt::Display for NoEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Events {
    /// Has events wake a lookout.
    pub(super) fn new(waker: Waker) -> Result<Self, NoEvents> {
        let named = Arc::<Mutex<Named>>::default();
        let noted = Arc::clone(&named);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.as_ref().is_ok_and(|event| only_reads(event.kind)) {
                return;
            }
            note(&mut noted.lock().unwrap_or_else(PoisonError::into_inner), event);
            waker.wake();
        });
        let watcher = watcher.map_err(|error| no_events(&error))?;
        Ok(Self { watcher, named, folders: BTreeMap::new() })
    }

    /// What events named since this was last asked.
    pub(super) fn named(&mut self) -> Named {
        let named = {
            let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *named)
        };
        // A folder that went took the watch on it and on all below it along, even if it is back.
        let is_named = |path: &Path| path.ancestors().any(|path| named.paths.contains(path));
        let gone: Vec<_> =
            self.folders.keys().filter(|path| named.is_cut || is_named(path)).cloned().collect();
        for folder in gone {
            self.leave(&folder);
        }
        named
    }

    /// Watches these folders and no others; returns whether some are new, in which something may
    /// have changed unnoticed.
    ///
    /// # Errors
    /// When the system can watch no more.
    pub(super) fn follow(
        &mut self,
        folders: &BTreeMap<PathBuf, FolderId>,
    ) -> Result<bool, NoEvents> {
        let old = self.folders.iter().filter(|(path, id)| folders.get(*path) != Some(id));
        let old: Vec<_> = old.map(|(path, _)| path.clone()).collect();
        for path in old {
            self.leave(&path);
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
                Err(error) if is_limit(&error) => return Err(no_events(&error)),
                // It is gone already, or may not be read: the next look sees.
                Err(_) => {}
            }
        }
        Ok(has_new)
    }

    fn leave(&mut self, folder: &Path) {
        self.folders.remove(folder);
        // The watch is gone by itself if the folder is.
        let _ = self.watcher.unwatch(folder);
    }
}

/// Whether an event is of no interest.
fn only_reads(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access != AccessKind::Close(AccessMode::Write),
        _ => false,
    }
}

fn note(named: &mut Named, event: notify::Result<Event>) {
    let Ok(event) = event else {
        named.is_cut = true;
        return;
    };
    named.is_cut |= event.need_rescan();
    for path in event.paths {
        if named.paths.len() < MAX_NAMED {
            named.paths.insert(path);
        } else {
            named.is_cut = true;
        }
    }
}

fn is_limit(error: &notify::Error) -> bool {
    matches!(error.kind, ErrorKind::MaxFilesWatch)
}

/// Names the setting to raise, where there is one.
fn no_events(error: &notify::Error) -> NoEvents {
    let setting = if is_limit(error) { "max_user_watches" } else { "max_user_instances" };
    let remedy = if cfg!(target_os = "linux") {
        format!(" (raise fs.inotify.{setting} with sysctl)")
    } else {
        String::new()
    };
    NoEvents(format!("{error}{remedy}"))
}
