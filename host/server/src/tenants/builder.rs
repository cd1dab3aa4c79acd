//! The construction of a tenant from its configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::build_cache::BuildCache;
use super::channel_layers::open_layer;
use super::component_source::ComponentSource;
use super::deferred_version_record::DeferredVersionRecord;
use super::failed_load::FailedLoad;
use super::followed_plugin::FollowedPlugin;
use super::plugin_spec::PluginSpec;
use super::replaced_plugin::ReplacedPlugin;
use super::router::Router;
use super::runtime::{TenantLayer, TenantResources, TenantRuntime};
use super::served_plugin::ServedPlugin;
use super::served_worker::ServedWorker;
use super::startup_version::{self, LoadedPlugin};
use crate::auth::{AcceptedTokens, ApiTokens};
use crate::demo::{DemoPage, EditedPlugin, SourceEditor};
use crate::host_error::{HostError, RouteWithoutRoom};
use crate::host_resources::HostResources;
use narrowboat_config::{
    DEFAULT_LAYER, LayerConfig, Limits, PluginConfig, PluginSource, SettingsConfig, TenantConfig,
};
use narrowboat_core::fault::sanitize_log_line;
use narrowboat_core::name::Tenant;
use narrowboat_core::plugin_settings::PluginSettings;
use narrowboat_deploy::rollout::Rollout;
use narrowboat_deploy::versions::PluginVersionStore;
use narrowboat_quota::QuotaChain;
use narrowboat_runtime::{Loader, Plugin};
use narrowboat_session::InstanceRegistry;

/// Builds one tenant.
pub(super) struct TenantBuilder<'a> {
    pub(super) resources: &'a HostResources,
    /// The builds that were read for other tenants of the configuration.
    pub(super) builds: &'a BuildCache,
    /// The same tenant before the reload. The parts that have not changed are reused.
    pub(super) previous: Option<&'a TenantRuntime>,
    /// Called with each plugin that was loaded.
    pub(super) on_plugin_ready: &'a dyn Fn(&Plugin),
    /// Whether a plugin that cannot be loaded is an error. If not, it is logged and not served.
    pub(super) is_strict: bool,
}

/// A tenant that is built but not installed. Dropping it changes nothing.
pub(super) struct BuiltTenant {
    pub(super) tenant: TenantRuntime,
    /// The records to persist once the tenant is installed.
    pub(super) version_records: Vec<DeferredVersionRecord>,
    /// The plugins of the previous tenant that were loaded again.
    pub(super) replaced_plugins: Vec<ReplacedPlugin>,
}

/// The plugins of a tenant.
#[derive(Default)]
struct PluginSet {
    plugins: BTreeMap<String, Arc<ServedPlugin>>,
    /// The files of plugins that cannot be loaded as configured.
    failed_loads: BTreeMap<String, FailedLoad>,
    /// The plugins that are not served because their crates are not built yet.
    unbuilt_plugins: BTreeSet<String>,
    version_records: Vec<DeferredVersionRecord>,
    replaced_plugins: Vec<ReplacedPlugin>,
}

/// The parts of a tenant that its plugins need.
struct PluginContext<'a> {
    tenant: &'a Tenant,
    /// The limits of the tenant, narrowed by those of the host.
    limits: Limits,
    layers: BTreeMap<String, TenantLayer>,
    resources: TenantResources,
    /// The largest `max_message` of the routes, in bytes.
    max_frame: usize,
}

impl TenantBuilder<'_> {
    /// Builds a tenant, and reuses the parts of the previous one that its configuration does not change. Nothing that is
    /// served or stored changes. Blocks: run it on a dedicated thread.
    ///
    /// # Errors
    /// If a token cannot be read, or, with `is_strict`, if a plugin cannot be loaded.
    pub(super) fn build(
        &self,
        tenant: Tenant,
        config: Arc<TenantConfig>,
    ) -> Result<BuiltTenant, HostError> {
        let tokens = ApiTokens::read_list(&config.tokens, &format!("tenants.{tenant}.tokens"));
        let tokens = tokens.map_err(HostError::Token)?;
        let limits = self.resources.limits.narrowed_by(&config.limits);
        let largest = config.routes.iter().filter_map(|route| route.max_message);
        let context = PluginContext {
            tenant: &tenant,
            layers: self.open_layers(&tenant, &config, &limits),
            limits,
            resources: self.tenant_resources(&tenant),
            max_frame: largest.fold(self.resources.limits.max_message, Ord::max).bytes(),
        };
        let PluginSet { plugins, failed_loads, unbuilt_plugins, version_records, replaced_plugins } =
            self.build_plugins(&config, &context)?;
        if self.is_strict {
            check_room_routes(&config, &plugins)?;
        }
        let PluginContext { layers, resources, .. } = context;
        let runtime = TenantRuntime {
            router: Router::new(config.routes.clone()),
            tokens: AcceptedTokens::new(tokens),
            demo: self.demo_page(&tenant, &config, &plugins),
            workers: self.build_workers(&config, &plugins),
            config,
            plugins,
            failed_loads,
            unbuilt_plugins,
            layers,
            resources,
            tenant,
        };
        Ok(BuiltTenant { tenant: runtime, version_records, replaced_plugins })
    }

    fn demo_page(
        &self,
        tenant: &Tenant,
        config: &TenantConfig,
        plugins: &BTreeMap<String, Arc<ServedPlugin>>,
    ) -> Option<DemoPage> {
        (self.resources.has_demo_page && tenant.is_default()).then(|| {
            let find = |name: &str| Some(Arc::clone(plugins.get(name)?.rollout.plugin()));
            DemoPage::new(&config.routes, find, self.source_editor(config, plugins))
        })
    }

    /// The editor of the demo page, for the plugins with a source folder.
    fn source_editor(
        &self,
        config: &TenantConfig,
        plugins: &BTreeMap<String, Arc<ServedPlugin>>,
    ) -> Option<SourceEditor> {
        let editor = Arc::clone(self.resources.editor.as_ref()?);
        let size_limit = self.resources.limits.max_component;
        let edited = config.plugins.iter().filter_map(|(name, plugin)| {
            let PluginSource::Source(folder) = &plugin.source else { return None };
            let followed = plugins.get(name).map(|served| FollowedPlugin::from(&**served));
            Some((name.clone(), EditedPlugin::new(folder.clone(), followed, size_limit)))
        });
        Some(SourceEditor::new(editor, edited.collect()))
    }

    /// The workers of plugins that are served. Workers that have not changed are reused.
    fn build_workers(
        &self,
        config: &TenantConfig,
        plugins: &BTreeMap<String, Arc<ServedPlugin>>,
    ) -> Vec<Arc<ServedWorker>> {
        let build = |worker: &narrowboat_config::WorkerConfig| {
            let registry = plugins.get(&worker.plugin)?.instance_registry();
            let mut previous = self.previous.into_iter().flat_map(|previous| &previous.workers);
            let reused = previous.find(|served| served.matches(registry, worker)).cloned();
            Some(reused.unwrap_or_else(|| {
                let schedules = self.resources.schedules.clone();
                Arc::new(ServedWorker::new(Arc::clone(registry), worker.clone(), schedules))
            }))
        };
        config.workers.iter().filter_map(build).collect()
    }

    /// The plugins of the tenant: those of before that have not changed, and new ones.
    fn build_plugins(
        &self,
        config: &TenantConfig,
        context: &PluginContext<'_>,
    ) -> Result<PluginSet, HostError> {
        let mut set = PluginSet::default();
        for (name, plugin) in &config.plugins {
            // The configuration was checked to have the layer.
            let layer = context.layers.get(&plugin.layer);
            let Some(layer) = layer.or_else(|| context.layers.get(DEFAULT_LAYER)) else { continue };
            let previous = self.previous_plugin(name);
            let Some(source) = ComponentSource::find(plugin, &self.resources.mode) else {
                match previous {
                    Some(served) => drop(set.plugins.insert(name.clone(), Arc::clone(served))),
                    None => drop(set.unbuilt_plugins.insert(name.clone())),
                }
                continue;
            };
            let watched_source = source.watched_source();
            let spec = plugin_spec(plugin, source, layer, context);
            if let Some(same) = previous.filter(|previous| previous.spec.satisfies(&spec)) {
                set.plugins.insert(name.clone(), Arc::clone(same));
                continue;
            }
            // Both before the load, so that a change during the load is noticed.
            let failed_load = FailedLoad::capture(watched_source, spec.limits.max_component);
            let replaced = previous.map(ReplacedPlugin::capture);
            match self.load_plugin(name, spec, &plugin.settings, layer, context) {
                Ok((served, version_record)) => {
                    set.plugins.insert(name.clone(), Arc::new(served));
                    set.version_records.extend(version_record);
                    set.replaced_plugins.extend(replaced);
                }
                Err(error) if self.is_strict => return Err(error),
                Err(error) => {
                    log_load_error(context.tenant, name, &error, previous.is_some());
                    set.plugins.extend(previous.map(|served| (name.clone(), Arc::clone(served))));
                    set.failed_loads.insert(name.clone(), failed_load);
                }
            }
        }
        Ok(set)
    }

    /// The plugin of this name before the reload.
    fn previous_plugin(&self, name: &str) -> Option<&Arc<ServedPlugin>> {
        self.previous.and_then(|previous| previous.plugins.get(name))
    }

    /// The tenant's share of the host's resources: the previous one, or a new one.
    fn tenant_resources(&self, tenant: &Tenant) -> TenantResources {
        let new = || {
            let threads = &self.resources.guest_threads;
            // The plugins of the tenant `default` are the operator's own: they may use all threads.
            let threads = if tenant.is_default() { threads.clone() } else { threads.tenant_pool() };
            TenantResources { quota: Arc::default(), guest_threads: threads }
        };
        self.previous.map_or_else(new, |previous| previous.resources.clone())
    }

    /// The channel layers. Layers that have not changed are reused.
    fn open_layers(
        &self,
        tenant: &Tenant,
        config: &TenantConfig,
        limits: &Limits,
    ) -> BTreeMap<String, TenantLayer> {
        let open = |(name, config): (&String, &Arc<LayerConfig>)| {
            let previous = self.previous.and_then(|previous| previous.layers.get(name));
            let is_same = |layer: &&TenantLayer| {
                layer.config == *config && layer.group_limit == limits.groups
            };
            let layer = previous.filter(is_same).cloned().unwrap_or_else(|| TenantLayer {
                config: Arc::clone(config),
                group_limit: limits.groups,
                channel_layer: open_layer(&tenant.plugin_label(name), config, limits),
            });
            (name.clone(), layer)
        };
        config.layers.iter().map(open).collect()
    }

    fn load_plugin(
        &self,
        name: &str,
        spec: PluginSpec,
        settings: &SettingsConfig,
        layer: &TenantLayer,
        context: &PluginContext<'_>,
    ) -> Result<(ServedPlugin, Option<DeferredVersionRecord>), HostError> {
        let (config, policy) = (&spec.config, spec.component_source.change_policy());
        let label = context.tenant.plugin_label(name);
        let source = spec.component_source.locate(&label)?;
        let settings = PluginSettings::new(settings.values());
        let loader = Arc::new(self.loader(name, &spec, settings, layer, context));
        let store = self.version_store(context.tenant, name)?;
        let build = self.builds.read(&label, &source, loader.limits.max_component)?;
        let LoadedPlugin { plugin, version_record } = startup_version::load(
            &loader,
            name,
            config,
            source.path(),
            build,
            policy,
            store.as_ref(),
        )?;
        if let Some(store) = &store {
            plugin.add_earlier_versions(store.versions_before(plugin.live_version().digest()));
        }
        (self.on_plugin_ready)(&plugin);
        let room_owners = Arc::clone(&self.resources.room_owners);
        let layer = Arc::clone(&loader.layer);
        let registry = InstanceRegistry::new(Arc::new(plugin), layer, room_owners);
        let rollout = Rollout::new(Arc::new(registry), loader, config.clone(), policy, store);
        Ok((ServedPlugin::new(spec, source, rollout), version_record))
    }

    fn loader(
        &self,
        name: &str,
        spec: &PluginSpec,
        settings: PluginSettings,
        layer: &TenantLayer,
        context: &PluginContext<'_>,
    ) -> Loader {
        let host = self.resources;
        Loader {
            engine: host.engine.clone(),
            runtimes: Arc::clone(&host.runtimes),
            tenant: context.tenant.clone(),
            layer: Arc::clone(&layer.channel_layer),
            keyvalue: Arc::clone(&host.keyvalue),
            egress: Arc::clone(&host.egress),
            settings: Arc::new(settings),
            clock: host.schedules.clock.clone(),
            max_message_bytes: layer.config.max_message.bytes(),
            max_frame_bytes: spec.max_frame,
            thread_pool: context.resources.guest_threads.clone(),
            limits: spec.limits.clone(),
            signers: host.signers.clone(),
            default_failed_move: host.mode.default_failed_move(),
            quota: Arc::new(QuotaChain::new(
                &context.tenant.plugin_label(name),
                Arc::clone(&context.resources.quota),
                Arc::clone(&host.host_quota),
            )),
        }
    }

    /// The version store of a plugin. It outlives reloads, whatever settings the plugin gets.
    fn version_store(
        &self,
        tenant: &Tenant,
        name: &str,
    ) -> Result<Option<Arc<PluginVersionStore>>, HostError> {
        let previous = self.previous_plugin(name);
        if let Some(store) = previous.and_then(|previous| previous.rollout.version_store()) {
            return Ok(Some(Arc::clone(store)));
        }
        let stores = self.resources.version_store.as_ref();
        let store = stores.map(|stores| stores.plugin_store(tenant, name)).transpose()?;
        Ok(store)
    }
}

/// Checks that each route to a plugin with rooms has the URL parameters that name a room.
fn check_room_routes(
    config: &TenantConfig,
    plugins: &BTreeMap<String, Arc<ServedPlugin>>,
) -> Result<(), HostError> {
    for route in &config.routes {
        let Some(served) = plugins.get(&route.plugin) else { continue };
        let plugin = served.rollout.plugin();
        let version = plugin.live_version();
        let Some(rooms) = version.rooms() else { continue };
        let missing = rooms.template.parameters().find(|name| !route.pattern.has_capture(name));
        if let Some(parameter) = missing {
            return Err(Box::new(RouteWithoutRoom {
                plugin: plugin.label.to_string(),
                route: route.pattern.source().to_owned(),
                template: rooms.template.clone(),
                parameter: parameter.to_owned(),
            })
            .into());
        }
    }
    Ok(())
}

/// The settings that a plugin is loaded with.
fn plugin_spec(
    plugin: &PluginConfig,
    component_source: ComponentSource,
    layer: &TenantLayer,
    context: &PluginContext<'_>,
) -> PluginSpec {
    let fixed_limits = plugin.limits.fixed_at_start();
    PluginSpec {
        config: PluginConfig {
            limits: fixed_limits,
            settings: SettingsConfig::default(),
            ..plugin.clone()
        },
        component_source,
        limits: context.limits.narrowed_by(&fixed_limits),
        layer: Arc::clone(&layer.config),
        max_frame: context.max_frame,
    }
}

fn log_load_error(tenant: &Tenant, name: &str, error: &HostError, is_served: bool) {
    let plugin = tenant.plugin_label(name);
    // The error may quote the component.
    let error = sanitize_log_line(&error.to_string());
    if is_served {
        tracing::error!(plugin, %error, "cannot load the plugin; it goes on as it was");
    } else {
        tracing::error!(plugin, %error, "cannot load the plugin; it is not served");
    }
}
