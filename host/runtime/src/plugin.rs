//! A plugin and its live version.

mod published_versions;
mod version_order;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::scheduling::GuestExecutor;
use crate::version::Version;
use narrowboat_config::{FailedMovePolicy, OverflowPolicy, RollbackPolicy};
use narrowboat_core::manifest::Isolation;
use narrowboat_core::name::Tenant;
use narrowboat_core::plugin_settings::PluginSettings;
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_keyvalue::KeyvalueStore;
use narrowboat_quota::QuotaChain;
pub(crate) use published_versions::PublishedVersions;

/// A named component and how it runs.
pub struct Plugin {
    /// The name in routes.
    pub name: Arc<str>,
    /// The name in the log: [`Tenant::plugin_label`].
    pub label: Arc<str>,
    /// The tenant that owns the plugin.
    pub tenant: Tenant,
    /// Whether consumers share an instance.
    pub isolation: Isolation,
    /// The number of instances that the connections are spread over, if they share instances.
    pub instance_count: usize,
    /// The policy for a client that does not read.
    pub overflow: OverflowPolicy,
    /// The policy for a consumer that cannot move to another version.
    pub failed_move: FailedMovePolicy,
    /// How long a guest may postpone its move to another version.
    pub move_wait: Duration,
    /// When a new version is rolled back.
    pub rollback: RollbackPolicy,
    /// The plugin's part of the guest threads.
    pub executor: GuestExecutor,
    /// The quota that the plugin is charged to.
    pub quota: Arc<QuotaChain>,
    /// The store with the state of its rooms.
    pub keyvalue: Arc<KeyvalueStore>,
    /// The settings that its versions read.
    pub settings: Arc<PluginSettings>,
    pub(crate) published: PublishedVersions,
}

impl Plugin {
    /// The version that new connections get. The returned reference keeps it alive.
    pub fn live_version(&self) -> Arc<Version> {
        self.published.live()
    }

    /// The versions that were live before `version`, the oldest first; all that are known, if it has not been live.
    pub fn versions_before(&self, version: Sha256Digest) -> Vec<Sha256Digest> {
        self.published.before(version)
    }

    /// Adds versions that were live before the host started, the oldest first.
    pub fn add_earlier_versions(&self, versions: Vec<Sha256Digest>) {
        self.published.add_earlier(versions);
    }

    /// Makes `version` the version that new connections get.
    pub fn publish(&self, version: Arc<Version>) {
        self.published.publish(version);
    }

    /// The live version, and earlier versions that still have instances.
    pub fn versions(&self) -> Vec<Arc<Version>> {
        self.published.in_use()
    }

    /// Makes `version` live again, which was live before the live one.
    pub fn roll_back_to(&self, version: Arc<Version>) {
        self.published.roll_back_to(version);
    }

    /// Receives each version that is published from now on.
    pub fn subscribe_live_version(&self) -> watch::Receiver<Arc<Version>> {
        self.published.subscribe()
    }
}
