//! Changes that the watch thread has found and nobody has read yet.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::timing::MAX_FILES;

/// Changed paths, each once, from the watch thread to [`Watcher::changed`](super::Watcher::changed).
#[derive(Debug, Default)]
pub(super) struct ChangedPaths {
    paths: Mutex<BTreeSet<PathBuf>>,
    notify: Notify,
}

impl ChangedPaths {
    /// Adds paths, and wakes the task that waits for them. Paths beyond [`MAX_FILES`] are dropped.
    pub(super) fn add(&self, paths: impl IntoIterator<Item = PathBuf>) {
        {
            let mut changed = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
            let room = MAX_FILES.saturating_sub(changed.len());
            changed.extend(paths.into_iter().take(room));
        }
        self.notify.notify_one();
    }

    /// Waits until there are paths, and returns them in order. Cancel-safe.
    pub(super) async fn take(&self) -> Vec<PathBuf> {
        loop {
            let paths = self.take_now();
            if !paths.is_empty() {
                return paths;
            }
            self.notify.notified().await;
        }
    }

    fn take_now(&self) -> Vec<PathBuf> {
        let mut changed = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *changed).into_iter().collect()
    }
}
