//! The versions of a plugin that have been live.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;

use crate::version::Version;

/// The live version of a plugin, and the versions that were live before.
pub(crate) struct PublishedVersions {
    live: watch::Sender<Arc<Version>>,
    /// All versions that have been live since the host started.
    known: Mutex<Vec<Weak<Version>>>,
}

impl PublishedVersions {
    pub(crate) fn new(version: Arc<Version>) -> Self {
        let known = Mutex::new(vec![Arc::downgrade(&version)]);
        Self { live: watch::Sender::new(version), known }
    }

    /// The live version.
    pub(super) fn live(&self) -> Arc<Version> {
        Arc::clone(&self.live.borrow())
    }

    /// Makes a version the live one.
    pub(super) fn publish(&self, version: Arc<Version>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.push(Arc::downgrade(&version));
        drop(known);
        // The version before is dropped outside the lock of the channel.
        drop(self.live.send_replace(version));
    }

    /// The live version, and earlier versions that are still in use.
    pub(super) fn in_use(&self) -> Vec<Arc<Version>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|version| version.strong_count() > 0);
        let mut versions: Vec<_> = known.iter().filter_map(Weak::upgrade).collect();
        versions.sort_by_key(|version| version.digest());
        versions.dedup_by_key(|version| version.digest());
        versions
    }

    /// Receives each version that becomes live.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Version>> {
        self.live.subscribe()
    }
}
