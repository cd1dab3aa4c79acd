//! A plugin under test, with the configuration that serves it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::test_kit_error::TestKitError;
use narrowboat_config::{
    AllowLists, Config, KeyvalueBackend, LayerBackend, PluginSource, Quota, TenantConfig,
    TenantMatcher,
};
use narrowboat_core::manifest::{self, Manifest};
use narrowboat_core::name::Tenant;
use narrowboat_core::units::DurationSetting;

/// The name of a configuration file.
const CONFIG_FILE: &str = "narrowboat.toml";

/// The most connections of a test.
const MAX_CONNECTIONS: usize = 256;

/// A plugin under test, and the configuration of the host that serves it: the one of the project, without what a test does
/// not have.
#[derive(Debug, Clone)]
pub struct TestPlugin {
    /// The name of the plugin in the configuration.
    pub name: String,
    /// The folder of its source.
    pub folder: PathBuf,
    /// Whether the plugin is a crate, and not a source plugin.
    pub is_crate: bool,
    config: Config,
}

/// Finds the plugins whose tests run: the one in a folder, or all of a project that have a folder. Tests of a plugin in a
/// folder get the configuration that serves it, if the folder or one above has one.
///
/// # Errors
/// If there is no plugin, or the configuration is wrong.
pub fn find_plugins(folder: &Path) -> Result<Vec<TestPlugin>, TestKitError> {
    let project = folder.join(CONFIG_FILE);
    if project.is_file() {
        let plugins = plugins_of(&Config::read(&project)?);
        return if plugins.is_empty() { Err(TestKitError::NoFolder(project)) } else { Ok(plugins) };
    }
    if !folder.join(manifest::FILE_NAME).is_file() {
        return Err(TestKitError::NoPlugin(folder.to_owned()));
    }
    let absolute = canonicalize(folder)?;
    for above in absolute.ancestors().skip(1) {
        let project = above.join(CONFIG_FILE);
        if project.is_file() {
            let mut plugins = plugins_of(&Config::read(&project)?);
            plugins.retain(|plugin| canonicalize(&plugin.folder).is_ok_and(|own| own == absolute));
            if !plugins.is_empty() {
                plugins.iter_mut().for_each(|plugin| plugin.set_folder(folder));
                return Ok(plugins);
            }
        }
    }
    Ok(vec![TestPlugin::without_project(folder.to_owned(), &absolute)?])
}

fn canonicalize(path: &Path) -> Result<PathBuf, TestKitError> {
    path.canonicalize().map_err(|source| TestKitError::Io { path: path.to_owned(), source })
}

/// The plugins of a configuration that have a folder. Two plugins of one folder are tested once.
fn plugins_of(config: &Config) -> Vec<TestPlugin> {
    let mut by_folder = BTreeMap::new();
    for tenant in config.tenants.values() {
        for (name, plugin) in &tenant.plugins {
            let (folder, is_crate) = match &plugin.source {
                PluginSource::Source(folder) => (folder, false),
                PluginSource::Crate(folder) => (folder, true),
                PluginSource::Component(_) => continue,
            };
            by_folder.entry(folder.clone()).or_insert_with(|| TestPlugin {
                name: name.clone(),
                folder: folder.clone(),
                is_crate,
                config: config_of_test(config, tenant, name),
            });
        }
    }
    by_folder.into_values().collect()
}

impl TestPlugin {
    /// Names the folder as the user does.
    fn set_folder(&mut self, folder: &Path) {
        folder.clone_into(&mut self.folder);
        let tenants = self.config.tenants.values_mut().map(Arc::make_mut);
        for plugin in tenants.flat_map(|tenant| tenant.plugins.values_mut()) {
            if let PluginSource::Source(source) = &mut plugin.source {
                folder.clone_into(source);
            }
        }
    }

    /// A plugin that no configuration serves: every path leads to it, and it gets what it requests.
    fn without_project(folder: PathBuf, absolute: &Path) -> Result<Self, TestKitError> {
        let is_crate = folder.join("Cargo.toml").is_file();
        let key = if is_crate { "crate" } else { "source" };
        let name = absolute.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let quoted = toml_string(&name);
        let regex = route_of_all_paths(&folder);
        let text = format!(
            "[plugins.{quoted}]\n{key} = \".\"\ngrants = \"all\"\n[[routes]]\nregex = '{regex}'\nplugin = {quoted}\n"
        );
        let config = Config::parse(&text, &folder.join(CONFIG_FILE))?;
        let Some(tenant) = config.tenants.get(&Tenant::default_tenant()) else {
            return Err(TestKitError::NoPlugin(folder));
        };
        let config = config_of_test(&config, tenant, &name);
        Ok(Self { name, folder, is_crate, config })
    }

    /// The configuration of a host that serves the plugin from the component that was built.
    pub(crate) fn config_with_component(&self, file: &Path) -> Config {
        let mut config = self.config.clone();
        let tenants = config.tenants.values_mut().map(Arc::make_mut);
        for plugin in tenants.flat_map(|tenant| tenant.plugins.values_mut()) {
            plugin.source = PluginSource::Component(file.to_owned());
        }
        config
    }

    /// The configuration of a host that serves the plugin from its folder.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }
}

/// A pattern of all paths. For a plugin with rooms the last segments of a path are the parameters that name the room.
fn route_of_all_paths(folder: &Path) -> String {
    let manifest = std::fs::read(folder.join(manifest::FILE_NAME)).ok();
    // A manifest that cannot be read is reported when the plugin is loaded.
    let manifest = manifest.and_then(|text| Manifest::parse(&text).ok());
    let Some(rooms) = manifest.and_then(|manifest| manifest.rooms) else {
        return "^.*$".to_owned();
    };
    let segments = rooms.template.parameters().map(|name| format!("/(?P<{name}>[^/]+)"));
    format!("^.*{}/?$", segments.collect::<String>())
}

fn toml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The configuration of the host of a test: one plugin of a tenant with its routes, workers, grants and limits. Layers and
/// keys are in memory. What belongs to the operation of a host is left out, and limits that a fast test would reach.
fn config_of_test(config: &Config, tenant: &TenantConfig, plugin: &str) -> Config {
    let mut own = tenant.clone();
    own.matcher = TenantMatcher::default();
    own.allowed_origins = None;
    own.tokens = Vec::new();
    own.limits = without_rates(&own.limits);
    own.plugins.retain(|name, _| name == plugin);
    own.routes.retain(|route| route.plugin == plugin);
    own.workers.retain(|worker| worker.plugin == plugin);
    own.layers.values_mut().for_each(|layer| Arc::make_mut(layer).backend = LayerBackend::Memory);
    for settings in own.plugins.values_mut() {
        settings.pins = None;
        settings.limits = without_rates(&settings.limits);
        // The clock stands still while a version moves.
        settings.move_wait = DurationSetting::from_millis(0);
    }
    let mut config = config.clone();
    config.tenants = BTreeMap::from([(Tenant::default_tenant(), Arc::new(own))]);
    config.limits.max_connections = config.limits.max_connections.min(MAX_CONNECTIONS);
    config.keyvalue.backend = KeyvalueBackend::Memory;
    config.demo = false;
    config.allow_lists = AllowLists::default();
    config.watch = None;
    config.users = None;
    config.proxy = None;
    config.signatures = None;
    config.tls = None;
    config.admin = None;
    config.traces = None;
    config.versions = None;
    config
}

/// Limits without those that count by the second.
fn without_rates(limits: &Quota) -> Quota {
    Quota {
        handshakes_per_second: None,
        cpu: None,
        frames_in: None,
        bytes_in: None,
        frames_out: None,
        bytes_out: None,
        ..*limits
    }
}
