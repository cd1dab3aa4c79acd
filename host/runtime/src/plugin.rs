//! A plugin, and which version of it is live.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;

use crate::scheduling::GuestExecutor;
use crate::version::Version;
use narrowboat_config::{FailedMovePolicy, OverflowPolicy, RollbackPolicy};
use narrowboat_core::manifest::Isolation;
use narrowboat_core::name::Tenant;
use narrowboat_quota::QuotaChain;

/// A named component and how it runs.
pub struct Plugin {
    /// As routes call it.
    pub name: Arc<str>,
    /// As the log calls it: [`Tenant::label`].
    pub label: Arc<str>,
    /// Whose it is.
    pub tenant: Tenant,
    /// How many consumers share an instance.
    pub isolation: Isolation,
    /// Instances its connections are spread over, where they share any.
    pub instance_count: usize,
    /// What happens to a client that does not read.
    pub overflow: OverflowPolicy,
    /// What happens to a consumer that cannot move to another version.
    pub failed_move: FailedMovePolicy,
    /// When a new version is rolled back.
    pub rollback: RollbackPolicy,
    /// Its part of the guest threads.
    pub executor: GuestExecutor,
    /// What it may use, and what it uses.
    pub quota: Arc<QuotaChain>,
    pub(crate) live_version: watch::Sender<Arc<Version>>,
    /// Those that were live since the host began.
    pub(crate) known_versions: Mutex<Vec<Weak<Version>>>,
}

impl Plugin {
    /// The version that new connections get. Who holds it keeps it alive.
    pub fn live_version(&self) -> Arc<Version> {
        Arc::clone(&self.live_version.borrow())
    }

    /// Gives new connections another version from now on.
    pub fn publish(&self, version: Arc<Version>) {
        self.known_versions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::downgrade(&version));
        // The one before is let go outside of the lock.
        drop(self.live_version.send_replace(version));
    }

    /// The live version, and those before it that still have instances.
    pub fn versions(&self) -> Vec<Arc<Version>> {
        let mut known = self.known_versions.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|version| version.strong_count() > 0);
        let mut versions: Vec<_> = known.iter().filter_map(Weak::upgrade).collect();
        versions.sort_by_key(|version| version.digest());
        versions.dedup_by_key(|version| version.digest());
        versions
    }

    /// Tells of each version that is published from now on.
    pub fn subscribe_live_version(&self) -> watch::Receiver<Arc<Version>> {
        self.live_version.subscribe()
    }
}
