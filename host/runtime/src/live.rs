//! A plugin, and which version of it is live.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;

use super::lane::Share;
use super::version::Version;
use narrowboat_config::{FailedMove, Overflow, Rollback};
use narrowboat_core::manifest::Isolation;
use narrowboat_core::name::Tenant;
use narrowboat_quota::Allowance;

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
    pub instances: usize,
    /// What happens to a client that does not read.
    pub overflow: Overflow,
    /// What happens to a consumer that cannot move to another version.
    pub failed_move: FailedMove,
    /// When a new version is taken back.
    pub rollback: Rollback,
    /// Its part of the guest threads.
    pub share: Share,
    /// What it may use, and what it uses.
    pub allowance: Arc<Allowance>,
    pub(super) live: watch::Sender<Arc<Version>>,
    /// Those that were live since the host began.
    pub(super) known: Mutex<Vec<Weak<Version>>>,
}

impl Plugin {
    /// The version that new connections get. Who holds it keeps it alive.
    pub fn live(&self) -> Arc<Version> {
        Arc::clone(&self.live.borrow())
    }

    /// Gives new connections another version from now on.
    pub fn publish(&self, version: Arc<Version>) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&version));
        // The one before is let go outside of the lock.
        drop(self.live.send_replace(version));
    }

    /// The live version, and those before it that still have instances.
    pub fn versions(&self) -> Vec<Arc<Version>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|version| version.strong_count() > 0);
        let mut versions: Vec<_> = known.iter().filter_map(Weak::upgrade).collect();
        versions.sort_by_key(|version| version.digest());
        versions.dedup_by_key(|version| version.digest());
        versions
    }

    /// Tells of each version that is published from now on.
    pub fn follow(&self) -> watch::Receiver<Arc<Version>> {
        self.live.subscribe()
    }
}
