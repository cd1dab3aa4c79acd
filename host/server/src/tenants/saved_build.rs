//! The version that an editor of the host has saved and deployed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;

use narrowboat_runtime::Sha256Digest;

/// The longest time between a save and the report of the changed file by the watcher.
const MAX_REPORT_DELAY: Duration = Duration::from_secs(2);

/// The version that the editor of the demo page saved and deployed last. The watcher reports the same change a moment
/// later, and must not deploy the version again.
#[derive(Debug, Default)]
pub(crate) struct SavedBuild {
    last: Mutex<Option<(Sha256Digest, Instant)>>,
    /// Held from the write of a file until its version is recorded, and while a follower reads the folder.
    reading: Arc<tokio::sync::Mutex<()>>,
}

impl SavedBuild {
    /// Keeps the other of the editor and the follower from the folder, so that the follower does not read a file that is
    /// saved and whose version is not recorded.
    pub(crate) async fn lock_source(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.reading).lock_owned().await
    }

    /// Records a version that the editor deploys now.
    pub(crate) fn record(&self, version: Sha256Digest) {
        let saved = Some((version, Instant::now()));
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = saved;
    }

    /// Forgets the version. Returns whether it is `version` and was saved just now.
    pub(crate) fn take(&self, version: Sha256Digest) -> bool {
        let saved = self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        saved.is_some_and(|(saved, at)| saved == version && at.elapsed() < MAX_REPORT_DELAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_version_is_taken_once() {
        let (saved, version) = (SavedBuild::default(), Sha256Digest::of(b"saved"));
        saved.record(version);
        assert!(saved.take(version));
        assert!(!saved.take(version));
    }

    #[test]
    fn another_version_forgets_the_saved_one() {
        let (saved, version) = (SavedBuild::default(), Sha256Digest::of(b"saved"));
        saved.record(version);
        assert!(!saved.take(Sha256Digest::of(b"of another editor")));
        assert!(!saved.take(version));
    }
}
