//! The worlds of all tenants, and how they change while the host runs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;

use super::host::HostError;
use super::startup_version::DeferredVersionRecord;
use super::tenant_builder::{BuiltTenant, HostResources, ReplacedPlugin, TenantBuilder};
use super::tenant_runtime::{FailedLoad, RetiredParts, TenantRuntime};
use narrowboat_config::TenantConfig;
use narrowboat_core::name::Tenant;
use narrowboat_deploy::rollout::{LiveVersionGuard, Rollout};
use narrowboat_runtime::Plugin;

pub(super) type TenantMap = BTreeMap<Tenant, Arc<TenantRuntime>>;

/// The worlds there are.
pub(super) struct TenantRegistry {
    current: RwLock<Arc<TenantMap>>,
    /// Tells of each change.
    change_notifier: watch::Sender<()>,
}

/// What a change of the configuration led to.
#[derive(Debug, Default)]
pub(super) struct ReloadReport {
    /// Tenants that are new.
    pub(super) added: Vec<Tenant>,
    /// Tenants of which something is other than it was.
    pub(super) changed: Vec<Tenant>,
    /// Tenants that are gone.
    pub(super) removed: Vec<Tenant>,
    /// Plugins that are not served, or not as the configuration wants it.
    pub(super) failed_plugins: Vec<String>,
    /// Keys at the top of the file whose change only a start reads.
    pub(super) restart_required: Vec<String>,
    /// How long ago the configuration before was followed, which all this is compared with.
    pub(super) previous_config_age: Duration,
}

/// Worlds that are made and that nothing leads to yet. Dropped, they leave no trace.
pub(super) struct PreparedTenants {
    tenants: TenantMap,
    new_plugins: Vec<String>,
    version_records: Vec<DeferredVersionRecord>,
    replaced_plugins: Vec<ReplacedPlugin>,
}

/// Prepared worlds that fit what serves now, and go on fitting it as long as this is there.
pub(super) struct CommittableTenants {
    pub(super) tenants: TenantMap,
    /// Plugins that are new or served anew, for the log.
    pub(super) new_plugins: Vec<String>,
    /// What is to be kept once something leads to them.
    pub(super) version_records: Vec<DeferredVersionRecord>,
    /// Live versions that stay what they are until the worlds are exchanged and the swaps before have ended.
    pub(super) version_holds: Vec<LiveVersionGuard>,
}

impl PreparedTenants {
    /// Waits until no swap goes on of a plugin that is to be replaced, and holds further ones up. `None` if another version
    /// has become live since: the worlds have to be made again.
    pub(super) async fn hold_versions(self) -> Option<CommittableTenants> {
        let Self {
            tenants: all,
            new_plugins: fresh,
            version_records: recordings,
            replaced_plugins: replaced,
        } = self;
        let mut holds = Vec::with_capacity(replaced.len());
        for replaced in &replaced {
            holds.push(replaced.hold_version().await);
        }
        let fits = replaced.iter().all(ReplacedPlugin::is_unchanged);
        fits.then_some(CommittableTenants {
            tenants: all,
            new_plugins: fresh,
            version_records: recordings,
            version_holds: holds,
        })
    }
}

impl TenantRegistry {
    /// The worlds of a host that starts.
    ///
    /// # Errors
    /// What keeps the tenant `default` from being served; what keeps another's plugin is logged.
    pub(super) fn load(
        ground: &HostResources,
        tenants: BTreeMap<Tenant, TenantConfig>,
        tell: &dyn Fn(&Plugin),
    ) -> Result<Self, HostError> {
        let (mut all, mut recordings) = (TenantMap::new(), Vec::new());
        for (tenant, config) in tenants {
            let strict = tenant.is_default();
            let making = TenantBuilder {
                resources: ground,
                previous: None,
                on_plugin_ready: tell,
                is_strict: strict,
            };
            let made = making.build(tenant.clone(), config)?;
            recordings.extend(made.version_records);
            made.tenant.apply_limits();
            all.insert(tenant, Arc::new(made.tenant));
        }
        recordings.into_iter().for_each(DeferredVersionRecord::persist);
        Ok(Self { current: RwLock::new(Arc::new(all)), change_notifier: watch::Sender::new(()) })
    }

    /// All of them, as they are now.
    pub(super) fn all(&self) -> Arc<TenantMap> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The world of one tenant.
    pub(super) fn get(&self, tenant: &Tenant) -> Option<Arc<TenantRuntime>> {
        self.all().get(tenant).cloned()
    }

    /// Whose a request is, and what is left of its decoded path for routes.
    pub(super) fn match_request<'a>(
        &self,
        host: Option<&str>,
        path: &'a str,
    ) -> Option<(Arc<TenantRuntime>, &'a str)> {
        let all = self.all();
        let fitting = all.values().filter_map(|world| {
            let (fit, rest) = world.request_matcher().match_request(host, path)?;
            Some((fit, world, rest))
        });
        let (_, world, rest) = fitting.max_by_key(|(fit, ..)| *fit)?;
        Some((Arc::clone(world), rest))
    }

    /// Tells of each change from now on.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.change_notifier.subscribe()
    }

    /// The files of plugins that are not served as was asked for.
    pub(super) fn failed_loads(&self) -> Vec<FailedLoad> {
        let all = self.all();
        all.values()
            .flat_map(|world| world.failed_loads())
            .map(|(_, tried)| tried.clone())
            .collect()
    }

    /// What changes plugins, by the file each one's component lies in; several may be made of one, and none of those
    /// that are not served.
    pub(super) fn rollouts_by_file(&self) -> BTreeMap<PathBuf, Vec<Arc<Rollout>>> {
        let mut files: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for world in self.all().values() {
            for served in world.plugins() {
                files
                    .entry(served.component_file.clone())
                    .or_default()
                    .push(Arc::clone(&served.rollout));
            }
            for (_, tried) in world.failed_loads() {
                files.entry(tried.file.clone()).or_default();
            }
        }
        files
    }

    /// Makes the worlds as another configuration wants them; of those there are stays what it says the same of. Nothing
    /// that serves or is kept changes before [`Worlds::put`]. Takes a while: not for async threads, and one at a time.
    ///
    /// # Errors
    /// What of the configuration cannot be; nothing has changed then. A plugin that cannot be served is no error.
    pub(super) fn prepare(
        &self,
        ground: &HostResources,
        tenants: BTreeMap<Tenant, TenantConfig>,
    ) -> Result<PreparedTenants, HostError> {
        let before = self.all();
        let mut prepared = PreparedTenants {
            tenants: TenantMap::new(),
            new_plugins: Vec::new(),
            version_records: Vec::new(),
            replaced_plugins: Vec::new(),
        };
        let fresh = RefCell::new(Vec::new());
        for (tenant, config) in tenants {
            let before = before.get(&tenant).map(|world| &**world);
            let tell = |plugin: &Plugin| fresh.borrow_mut().push(plugin.label.to_string());
            let making = TenantBuilder {
                resources: ground,
                previous: before,
                on_plugin_ready: &tell,
                is_strict: false,
            };
            let BuiltTenant {
                tenant: world,
                version_records: recordings,
                replaced_plugins: replaced,
            } = making.build(tenant.clone(), config)?;
            prepared.tenants.insert(tenant, Arc::new(world));
            prepared.version_records.extend(recordings);
            prepared.replaced_plugins.extend(replaced);
        }
        prepared.new_plugins = fresh.into_inner();
        // Those in whose place there is nothing end between two swaps as well.
        for (tenant, world) in &*before {
            let after = prepared.tenants.get(tenant);
            let gone = world
                .plugins
                .iter()
                .filter(|(name, _)| after.is_none_or(|after| !after.plugins.contains_key(*name)));
            prepared
                .replaced_plugins
                .extend(gone.map(|(_, served)| ReplacedPlugin::capture(served)));
        }
        Ok(prepared)
    }

    /// Has new connections find other worlds from now on; what is left of those before goes to whoever ends it. Nothing of
    /// this can fail.
    pub(super) fn install(&self, all: TenantMap) -> (ReloadReport, Vec<RetiredParts>) {
        // Not before everything else of the configuration can be.
        all.values().for_each(|world| world.apply_limits());
        let mut now = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *now, Arc::new(all));
        let after = Arc::clone(&now);
        drop(now);
        self.change_notifier.send_replace(());
        let names: BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
        let (mut changes, mut left) = (ReloadReport::default(), Vec::new());
        for tenant in names {
            match (before.get(&tenant), after.get(&tenant)) {
                (Some(old), Some(new)) => {
                    left.push(old.parts_missing_from(Some(new)));
                    if !old.has_same_config(new) {
                        changes.changed.push(tenant);
                    }
                }
                (Some(old), None) => {
                    left.push(old.parts_missing_from(None));
                    changes.removed.push(tenant);
                }
                (None, _) => changes.added.push(tenant),
            }
        }
        let failed = after.values().flat_map(|world| {
            world
                .failed_loads()
                .map(|(name, _)| world.tenant.plugin_label(name))
                .collect::<Vec<_>>()
        });
        changes.failed_plugins = failed.collect();
        (changes, left)
    }
}
