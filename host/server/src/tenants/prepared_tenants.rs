//! The tenants of a configuration that is prepared but not applied yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::deferred_version_record::DeferredVersionRecord;
use super::ready_plugin::ReadyPlugin;
use super::replaced_plugin::ReplacedPlugin;
use super::runtime::TenantRuntime;
use narrowboat_core::name::Tenant;
use narrowboat_deploy::rollout::LiveVersionGuard;

/// The tenants of a host, by their names.
pub(super) type TenantMap = BTreeMap<Tenant, Arc<TenantRuntime>>;

/// Tenants that are built but not installed. Dropping them changes nothing.
#[derive(Default)]
pub(crate) struct PreparedTenants {
    pub(super) tenants: TenantMap,
    pub(super) new_plugins: Vec<ReadyPlugin>,
    pub(super) version_records: Vec<DeferredVersionRecord>,
    pub(super) replaced_plugins: Vec<ReplacedPlugin>,
}

/// Prepared tenants whose replaced plugins cannot change any more, so that they can be installed.
pub(crate) struct CommittableTenants {
    pub(crate) tenants: TenantMap,
    /// The plugins that were loaded, for the log.
    pub(crate) new_plugins: Vec<ReadyPlugin>,
    /// The records to persist once the tenants are installed.
    pub(crate) version_records: Vec<DeferredVersionRecord>,
    /// Guards that keep the live versions of replaced plugins until the tenants are installed.
    pub(crate) version_holds: Vec<LiveVersionGuard>,
}

impl PreparedTenants {
    /// Waits until no replaced plugin has a rollout under way, and holds further rollouts up. `None` if another version
    /// has become live since the tenants were built: they have to be prepared again.
    pub(crate) async fn hold_versions(self) -> Option<CommittableTenants> {
        let Self { tenants, new_plugins, version_records, replaced_plugins } = self;
        let mut version_holds = Vec::with_capacity(replaced_plugins.len());
        for replaced in &replaced_plugins {
            version_holds.push(replaced.hold_version().await);
        }
        let is_current = replaced_plugins.iter().all(ReplacedPlugin::is_unchanged);
        is_current.then_some(CommittableTenants {
            tenants,
            new_plugins,
            version_records,
            version_holds,
        })
    }
}
