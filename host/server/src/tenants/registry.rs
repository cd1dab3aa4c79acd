//! The tenants of a host, and their replacement while the host runs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use super::build_cache::BuildCache;
use super::builder::{BuiltTenant, TenantBuilder};
use super::deferred_version_record::persist_all;
use super::failed_load::FailedLoad;
use super::followed_plugin::FollowedPlugin;
use super::prepared_tenants::{PreparedTenants, TenantMap};
use super::ready_plugin::ReadyPlugin;
use super::reload_report::ReloadReport;
use super::replaced_plugin::ReplacedPlugin;
use super::runtime::{RetiredParts, TenantRuntime};
use crate::host_error::HostError;
use crate::host_resources::HostResources;
use narrowboat_config::TenantConfig;
use narrowboat_core::name::Tenant;
use narrowboat_deploy::packaging::BuildSource;
use narrowboat_runtime::Plugin;

/// The tenants of a host. A reload replaces all of them at once.
pub(crate) struct TenantRegistry {
    current: RwLock<Arc<TenantMap>>,
    /// Notified at each replacement.
    change_notifier: watch::Sender<()>,
}

impl TenantRegistry {
    /// Builds the tenants of a host that starts. Calls `on_plugin_ready` with each plugin that was loaded.
    ///
    /// # Errors
    /// If a plugin of the tenant `default` cannot be loaded and the mode requires all plugins. Other failures are logged.
    pub(crate) fn load(
        resources: &HostResources,
        tenants: BTreeMap<Tenant, Arc<TenantConfig>>,
        on_plugin_ready: &dyn Fn(&Plugin),
    ) -> Result<Self, HostError> {
        let (mut runtimes, mut version_records) = (TenantMap::new(), Vec::new());
        let builds = &BuildCache::new(resources.signers.is_some());
        for (tenant, config) in tenants {
            let is_strict = tenant.is_default() && resources.mode.requires_all_plugins();
            let builder =
                TenantBuilder { resources, builds, previous: None, on_plugin_ready, is_strict };
            let built = builder.build(tenant.clone(), config)?;
            version_records.extend(built.version_records);
            built.tenant.apply_live_config();
            runtimes.insert(tenant, Arc::new(built.tenant));
        }
        persist_all(version_records);
        Ok(Self {
            current: RwLock::new(Arc::new(runtimes)),
            change_notifier: watch::Sender::new(()),
        })
    }

    /// All tenants of now.
    pub(crate) fn all(&self) -> Arc<TenantMap> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// One tenant.
    pub(crate) fn get(&self, tenant: &Tenant) -> Option<Arc<TenantRuntime>> {
        self.all().get(tenant).cloned()
    }

    /// The tenant that a request is for, and the part of its decoded path that routes see. The most specific match wins.
    pub(crate) fn match_request<'a>(
        &self,
        host: Option<&str>,
        path: &'a str,
    ) -> Option<(Arc<TenantRuntime>, &'a str)> {
        let tenants = self.all();
        let matches = tenants.values().filter_map(|runtime| {
            let (specificity, route_path) = runtime.request_matcher().match_request(host, path)?;
            Some((specificity, runtime, route_path))
        });
        let (_, runtime, route_path) = matches.max_by_key(|(specificity, ..)| *specificity)?;
        Some((Arc::clone(runtime), route_path))
    }

    /// A receiver that is notified at each replacement of the tenants.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.change_notifier.subscribe()
    }

    /// The files and folders of plugins that could not be loaded.
    pub(crate) fn failed_loads(&self) -> Vec<FailedLoad> {
        let tenants = self.all();
        let failed_loads = tenants.values().flat_map(|runtime| runtime.failed_loads());
        failed_loads.map(|(_, failed)| failed.clone()).collect()
    }

    /// The plugins of each file and folder. One may have several plugins; one that could not be loaded may have none.
    pub(crate) fn plugins_by_source(&self) -> BTreeMap<BuildSource, Vec<FollowedPlugin>> {
        let mut sources: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for runtime in self.all().values() {
            for served in runtime.plugins.values() {
                let plugins = sources.entry(served.source.clone()).or_default();
                plugins.push(FollowedPlugin::from(&**served));
            }
            for (_, failed) in runtime.failed_loads() {
                sources.entry(failed.source.clone()).or_default();
            }
        }
        sources
    }

    /// Builds the tenants of another configuration, and reuses the parts that it does not change. Nothing that is served
    /// or stored changes before [`install`](Self::install). Blocks: run it on a dedicated thread, one at a time.
    ///
    /// # Errors
    /// The part that the host cannot apply. A plugin that cannot be loaded is not an error.
    pub(crate) fn prepare(
        &self,
        resources: &HostResources,
        tenants: BTreeMap<Tenant, Arc<TenantConfig>>,
    ) -> Result<PreparedTenants, HostError> {
        let current = self.all();
        let mut prepared = PreparedTenants::default();
        let builds = &BuildCache::new(resources.signers.is_some());
        let new_plugins = RefCell::new(Vec::new());
        let on_plugin_ready =
            |plugin: &Plugin| new_plugins.borrow_mut().push(ReadyPlugin::from(plugin));
        for (tenant, config) in tenants {
            let builder = TenantBuilder {
                resources,
                builds,
                previous: current.get(&tenant).map(|runtime| &**runtime),
                on_plugin_ready: &on_plugin_ready,
                is_strict: false,
            };
            let BuiltTenant { tenant: runtime, version_records, replaced_plugins } =
                builder.build(tenant.clone(), config)?;
            prepared.tenants.insert(tenant, Arc::new(runtime));
            prepared.version_records.extend(version_records);
            prepared.replaced_plugins.extend(replaced_plugins);
        }
        prepared.new_plugins = new_plugins.into_inner();
        // Removed plugins must not have a rollout under way either.
        for (tenant, runtime) in &*current {
            let next = prepared.tenants.get(tenant);
            let is_removed =
                |name: &String| next.is_none_or(|next| !next.plugins.contains_key(name));
            let removed = runtime.plugins.iter().filter(|(name, _)| is_removed(name));
            prepared
                .replaced_plugins
                .extend(removed.map(|(_, served)| ReplacedPlugin::capture(served)));
        }
        Ok(prepared)
    }

    /// Replaces all tenants, for connections that come from now on. Returns what has changed, and the parts of the
    /// previous tenants that the caller has to end.
    pub(crate) fn install(&self, tenants: TenantMap) -> (ReloadReport, Vec<RetiredParts>) {
        // Only now, because plugins that stay share their quota with the previous tenants.
        tenants.values().for_each(|runtime| runtime.apply_live_config());
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, Arc::new(tenants));
        let after = Arc::clone(&current);
        drop(current);
        self.change_notifier.send_replace(());
        compare(&before, &after)
    }
}

/// The differences between the tenants before and after a replacement, and the parts that only the former have.
fn compare(before: &TenantMap, after: &TenantMap) -> (ReloadReport, Vec<RetiredParts>) {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
    let (mut report, mut retired) = (ReloadReport::default(), Vec::new());
    for tenant in names {
        match (before.get(&tenant), after.get(&tenant)) {
            (Some(old), Some(new)) => {
                retired.push(old.parts_missing_from(Some(new)));
                if !old.has_same_config(new) {
                    report.changed.push(tenant);
                }
            }
            (Some(old), None) => {
                retired.push(old.parts_missing_from(None));
                report.removed.push(tenant);
            }
            (None, _) => report.added.push(tenant),
        }
    }
    for runtime in after.values() {
        let labels = runtime.failed_loads().map(|(name, _)| runtime.tenant.plugin_label(name));
        report.failed_plugins.extend(labels);
    }
    (report, retired)
}
