//! A plugin, and which version of it is live.

use std::sync::Arc;

use tokio::sync::watch;

use super::lane::Share;
use super::version::Version;
use crate::config::{FailedMove, Overflow, Rollback};
use crate::manifest::Isolation;
use crate::name::Tenant;

/// A named component and how it runs.
pub struct Plugin {
    /// As routes call it.
    pub name: Arc<str>,
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
    pub(super) live: watch::Sender<Arc<Version>>,
}

impl Plugin {
    /// The version that new connections get. Who holds it keeps it alive.
    pub fn live(&self) -> Arc<Version> {
        Arc::clone(&self.live.borrow())
    }

    /// Gives new connections another version from now on.
    pub fn publish(&self, version: Arc<Version>) {
        // The one before is let go outside of the lock.
        drop(self.live.send_replace(version));
    }

    /// Tells of each version that is published from now on.
    pub fn follow(&self) -> watch::Receiver<Arc<Version>> {
        self.live.subscribe()
    }
}
