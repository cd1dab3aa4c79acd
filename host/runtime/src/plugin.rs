//! A plugin and its live version.

mod published_versions;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::scheduling::GuestExecutor;
use crate::version::Version;
use narrowboat_config::{FailedMovePolicy, OverflowPolicy, RollbackPolicy};
use narrowboat_core::manifest::Isolation;
use narrowboat_core::name::Tenant;
use narrowboat_core::plugin_settings::PluginSettings;
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
    /// The settings that its versions read.
    pub settings: Arc<PluginSettings>,
    pub(crate) published: PublishedVersions,
}

impl Plugin {
    /// The version that new connections get. The returned reference keeps it alive.
    pub fn live_version(&self) -> Arc<Version> {
        self.published.live()
    }

    /// Makes `version` the version that new connections get.
    pub fn publish(&self, version: Arc<Version>) {
        self.published.publish(version);
    }

    /// The live version, and earlier versions that still have instances.
    pub fn versions(&self) -> Vec<Arc<Version>> {
        self.published.in_use()
    }

    /// Receives each version that is published from now on.
    pub fn subscribe_live_version(&self) -> watch::Receiver<Arc<Version>> {
        self.published.subscribe()
    }
}
