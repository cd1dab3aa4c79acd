//! The versions of a plugin that have been live.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;

use super::version_order::VersionOrder;
use crate::version::Version;
use narrowboat_core::sha256_digest::Sha256Digest;

/// The live version of a plugin, and the versions that were live before.
pub(crate) struct PublishedVersions {
    live: watch::Sender<Arc<Version>>,
    /// All versions that have been live since the host started.
    known: Mutex<Vec<Weak<Version>>>,
    order: Mutex<VersionOrder>,
}

impl PublishedVersions {
    pub(crate) fn new(version: Arc<Version>) -> Self {
        let known = Mutex::new(vec![Arc::downgrade(&version)]);
        let order = Mutex::new(VersionOrder::new(version.digest()));
        Self { live: watch::Sender::new(version), known, order }
    }

    /// The live version.
    pub(super) fn live(&self) -> Arc<Version> {
        Arc::clone(&self.live.borrow())
    }

    /// Makes a version the live one, which is newer than all before.
    pub(super) fn publish(&self, version: Arc<Version>) {
        self.lock_order().publish(version.digest());
        self.set_live(version);
    }

    /// Makes a version live again that was live before, and that is older than those since.
    pub(super) fn roll_back_to(&self, version: Arc<Version>) {
        self.lock_order().roll_back_to(version.digest());
        self.set_live(version);
    }

    fn set_live(&self, version: Arc<Version>) {
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

    /// The versions that were live before a version.
    pub(super) fn before(&self, version: Sha256Digest) -> Vec<Sha256Digest> {
        self.lock_order().before(version).to_vec()
    }

    /// Adds versions that were live before all others.
    pub(super) fn add_earlier(&self, versions: Vec<Sha256Digest>) {
        self.lock_order().add_earlier(versions);
    }

    fn lock_order(&self) -> MutexGuard<'_, VersionOrder> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Receives each version that becomes live.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Version>> {
        self.live.subscribe()
    }
}
