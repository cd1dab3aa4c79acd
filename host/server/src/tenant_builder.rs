//! From what a configuration says of a tenant to its world.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::admin::ApiTokens;
use super::demo::DemoPage;
use super::host::{HostError, locate_component, open_layer};
use super::served_plugin::{PluginSpec, ServedPlugin, ServedWorker};
use super::startup_version::{self, DeferredVersionRecord, LoadedPlugin};
use super::tenant_runtime::{FailedLoad, TenantLayer, TenantResources, TenantRuntime};
use crate::router::Router;
use narrowboat_config::signature::TrustedKeys;
use narrowboat_config::{
    DEFAULT_LAYER, LayerConfig, Limits, PluginConfig, PluginSource, TenantConfig,
};
use narrowboat_core::fault::sanitize_log_line;
use narrowboat_core::name::Tenant;
use narrowboat_deploy::rollout::{LiveVersionGuard, Rollout};
use narrowboat_deploy::versions::VersionStore;
use narrowboat_egress::Egress;
use narrowboat_keyvalue::KeyvalueStore;
use narrowboat_quota::{QuotaChain, QuotaNode};
use narrowboat_runtime::{Engine, GuestThreadPool, Loader, Plugin, Sha256Digest};
use narrowboat_session::InstanceRegistry;

/// What all worlds of a host stand on.
pub(super) struct HostResources {
    pub(super) engine: Engine,
    pub(super) guest_threads: GuestThreadPool,
    pub(super) limits: Limits,
    /// Held, so that no other host has it.
    pub(super) version_store: Option<VersionStore>,
    /// Whether the demo page is shown.
    pub(super) has_demo_page: bool,
    /// Who has to have signed what runs here; `None` if nobody has to.
    pub(super) signers: Option<Arc<TrustedKeys>>,
    /// Where plugins keep keys and values.
    pub(super) keyvalue: Arc<KeyvalueStore>,
    /// What makes the requests of plugins.
    pub(super) egress: Arc<Egress>,
    /// What all tenants use.
    pub(super) host_quota: Arc<QuotaNode>,
}

/// What a world is made of, and whom to tell.
pub(super) struct TenantBuilder<'a> {
    pub(super) resources: &'a HostResources,
    /// The same tenant's world until now.
    pub(super) previous: Option<&'a TenantRuntime>,
    /// Hears of each plugin that is ready.
    pub(super) on_plugin_ready: &'a dyn Fn(&Plugin),
    /// Whether a plugin that cannot be served is an error, rather than absent.
    pub(super) is_strict: bool,
}

/// The plugins of a tenant.
#[derive(Default)]
struct PluginSet {
    plugins: BTreeMap<String, Arc<ServedPlugin>>,
    /// The component's file of each that cannot be served as it was asked for.
    failed_loads: BTreeMap<String, FailedLoad>,
    /// What is to be kept of the new ones.
    version_records: Vec<DeferredVersionRecord>,
    /// Those of the world before in whose place there is a new one.
    replaced_plugins: Vec<ReplacedPlugin>,
}

/// A world that is made and that nothing leads to yet. Dropped, it leaves no trace.
pub(super) struct BuiltTenant {
    pub(super) tenant: TenantRuntime,
    /// What is to be kept once something leads to it.
    pub(super) version_records: Vec<DeferredVersionRecord>,
    /// Plugins of the world before in whose place there is a new one.
    pub(super) replaced_plugins: Vec<ReplacedPlugin>,
}

/// A plugin in whose place another will be, or none. The other one goes on with the version that was live when it was
/// made.
pub(super) struct ReplacedPlugin {
    plugin: Arc<ServedPlugin>,
    live_version: Sha256Digest,
}

impl ReplacedPlugin {
    pub(super) fn capture(served: &Arc<ServedPlugin>) -> Self {
        Self {
            plugin: Arc::clone(served),
            live_version: served.rollout.plugin().live_version().digest(),
        }
    }

    /// Holds its live version as it is.
    pub(super) async fn hold_version(&self) -> LiveVersionGuard {
        self.plugin.rollout.lock_version().await
    }

    /// Whether the same version is live as when the other was made.
    pub(super) fn is_unchanged(&self) -> bool {
        self.plugin.rollout.plugin().live_version().digest() == self.live_version
    }
}

impl TenantBuilder<'_> {
    /// Makes a tenant's world; of the one before it has what is wanted as it was. Nothing that serves or is kept changes.
    /// Takes a while: not for async threads.
    ///
    /// # Errors
    /// What failed, with the plugin at fault. A plugin of which nothing can be served is no error where strangers
    /// bring it.
    pub(super) fn build(
        &self,
        tenant: Tenant,
        config: TenantConfig,
    ) -> Result<BuiltTenant, HostError> {
        let tokens = ApiTokens::read_list(&config.tokens, &format!("tenants.{tenant}.tokens"));
        let tokens = tokens.map_err(HostError::Token)?;
        let limits = self.resources.limits.narrowed_by(&config.limits);
        let part = self.tenant_resources(&tenant);
        let layers = self.open_layers(&tenant, &config, &limits);
        let PluginSet {
            plugins: served,
            failed_loads: failed,
            version_records: recordings,
            replaced_plugins: replaced,
        } = self.build_plugins(&tenant, &config, &limits, &layers, &part)?;
        let workers =
            config.workers.iter().filter_map(|worker| {
                let roster = served.get(&worker.plugin)?.instance_registry();
                let before = self.previous.into_iter().flat_map(|before| &before.workers);
                let mut same = before.filter(|working| working.matches(roster, worker));
                let same = same.next().cloned();
                Some(same.unwrap_or_else(|| {
                    Arc::new(ServedWorker::new(Arc::clone(roster), worker.clone()))
                }))
            });
        let workers = workers.collect();
        let demo = (self.resources.has_demo_page && tenant.is_default()).then(|| {
            let find = |name: &str| Some(Arc::clone(served.get(name)?.rollout.plugin()));
            DemoPage::new(&config.routes, find)
        });
        let world = TenantRuntime {
            router: Router::new(config.routes.clone()),
            tokens,
            config,
            demo,
            plugins: served,
            failed_loads: failed,
            layers,
            workers,
            resources: part,
            tenant,
        };
        Ok(BuiltTenant { tenant: world, version_records: recordings, replaced_plugins: replaced })
    }

    /// Its plugins: those there are that are wanted as they are, and new ones.
    fn build_plugins(
        &self,
        tenant: &Tenant,
        config: &TenantConfig,
        limits: &Limits,
        layers: &BTreeMap<String, TenantLayer>,
        part: &TenantResources,
    ) -> Result<PluginSet, HostError> {
        let largest = config.routes.iter().filter_map(|route| route.max_message);
        let max_frame = largest.fold(self.resources.limits.max_message, Ord::max).bytes();
        let mut plugins = PluginSet::default();
        for (name, plugin) in &config.plugins {
            // The configuration was checked to have it.
            let layer = layers.get(&plugin.layer).or_else(|| layers.get(DEFAULT_LAYER));
            let Some(layer) = layer else { continue };
            let standing = plugin.limits.fixed_at_start();
            let made_of = PluginSpec {
                config: PluginConfig { limits: standing, ..plugin.clone() },
                limits: limits.narrowed_by(&standing),
                layer: layer.config.clone(),
                max_frame,
            };
            let tried = FailedLoad::capture(source_path(plugin));
            let before = self.previous.and_then(|before| before.plugins.get(name));
            let same = before.filter(|before| before.spec.satisfies(&made_of));
            if let Some(same) = same {
                plugins.plugins.insert(name.clone(), Arc::clone(same));
                continue;
            }
            // Before the shelf is asked which version is live.
            let replaced = before.map(ReplacedPlugin::capture);
            match self.load_plugin(tenant, name, made_of, layer, part) {
                Ok((served, recording)) => {
                    plugins.plugins.insert(name.clone(), Arc::new(served));
                    plugins.version_records.extend(recording);
                    plugins.replaced_plugins.extend(replaced);
                }
                Err(error) if self.is_strict => return Err(error),
                Err(error) => {
                    let goes_on =
                        if before.is_some() { "goes on as it was" } else { "is not served" };
                    // It may have words of the component's.
                    let error = sanitize_log_line(&error.to_string());
                    tracing::error!(plugin = tenant.plugin_label(name), "{error}; it {goes_on}");
                    plugins.plugins.extend(before.map(|before| (name.clone(), Arc::clone(before))));
                    plugins.failed_loads.insert(name.clone(), tried);
                }
            }
        }
        Ok(plugins)
    }

    /// What its plugins together use, and may.
    fn tenant_resources(&self, tenant: &Tenant) -> TenantResources {
        let new = || {
            let threads = &self.resources.guest_threads;
            // The host's own plugins are no strangers to it.
            let threads = if tenant.is_default() { threads.clone() } else { threads.tenant_pool() };
            TenantResources { quota: Arc::default(), guest_threads: threads }
        };
        self.previous.map_or_else(new, |before| before.resources.clone())
    }

    fn open_layers(
        &self,
        tenant: &Tenant,
        config: &TenantConfig,
        limits: &Limits,
    ) -> BTreeMap<String, TenantLayer> {
        let open = |(name, config): (&String, &LayerConfig)| {
            let before = self.previous.and_then(|before| before.layers.get(name));
            let same = |layer: &&TenantLayer| {
                layer.config == *config && layer.group_limit == limits.groups
            };
            let layer = before.filter(same).cloned();
            let layer = layer.unwrap_or_else(|| TenantLayer {
                config: config.clone(),
                group_limit: limits.groups,
                channel_layer: open_layer(&tenant.plugin_label(name), config, limits),
            });
            (name.clone(), layer)
        };
        config.layers.iter().map(open).collect()
    }

    fn load_plugin(
        &self,
        tenant: &Tenant,
        name: &str,
        made_of: PluginSpec,
        layer: &TenantLayer,
        part: &TenantResources,
    ) -> Result<(ServedPlugin, Option<DeferredVersionRecord>), HostError> {
        let HostResources {
            engine,
            version_store: store,
            signers,
            keyvalue,
            egress,
            host_quota: meter,
            ..
        } = self.resources;
        let config = &made_of.config;
        let file = locate_component(&tenant.plugin_label(name), config)?;
        let loader = Arc::new(Loader {
            engine: engine.clone(),
            tenant: tenant.clone(),
            layer: Arc::clone(&layer.channel_layer),
            keyvalue: Arc::clone(keyvalue),
            egress: Arc::clone(egress),
            max_message_bytes: layer.config.max_message.bytes(),
            max_frame_bytes: made_of.max_frame,
            thread_pool: part.guest_threads.clone(),
            limits: made_of.limits.clone(),
            signers: signers.clone(),
            quota: Arc::new(QuotaChain::new(
                &tenant.plugin_label(name),
                Arc::clone(&part.quota),
                Arc::clone(meter),
            )),
        });
        // What it has on the shelf it goes on with, in whatever way it is served.
        let before = self.previous.and_then(|before| before.plugins.get(name));
        let shelf = match before.and_then(|before| before.rollout.version_store()) {
            Some(shelf) => Some(Arc::clone(shelf)),
            None => {
                let shelf = store.as_ref().map(|store| store.plugin_store(tenant, name));
                shelf.transpose()?
            }
        };
        let LoadedPlugin { plugin, version_record: recording } =
            startup_version::load(&loader, name, config, &file, shelf.as_ref())?;
        (self.on_plugin_ready)(&plugin);
        let roster = Arc::new(InstanceRegistry::new(Arc::new(plugin), Arc::clone(&loader.layer)));
        let swap = Rollout::new(roster, loader, config.clone(), shelf);
        Ok((ServedPlugin::new(made_of, file, swap), recording))
    }
}

/// Where a plugin comes from, for whoever watches for something better.
fn source_path(config: &PluginConfig) -> PathBuf {
    match &config.source {
        PluginSource::Component(file) => file.clone(),
        PluginSource::Crate(folder) => folder.clone(),
    }
}
