//! The crates that a host in development serves, and the components that its builder has made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use narrowboat_config::{Config, PluginSource};
use narrowboat_core::manifest::Isolation;
use narrowboat_core::room_template::RoomTemplate;

/// The crates that a host in development serves, and the components that its [`DevBuilder`](super::DevBuilder) has made
/// of them. The host says which crates it serves, and the builder publishes their components. A crate is named by its
/// folder, as the configuration has it.
#[derive(Debug, Default)]
pub struct DevComponents {
    state: Mutex<DevComponentsState>,
    folders_changed: Notify,
    components_changed: Notify,
}

#[derive(Debug, Default)]
struct DevComponentsState {
    /// The labels of the plugins of each crate.
    crates: BTreeMap<PathBuf, String>,
    /// The folders of source plugins, which the host watches itself.
    source_folders: BTreeSet<PathBuf>,
    /// The components of the crates that were built.
    components: BTreeMap<PathBuf, DevComponent>,
}

/// The component of a crate that a [`DevBuilder`](super::DevBuilder) has built. A plugin whose component has another
/// file, isolation or template of rooms is loaded again. Other changes of the component are a new version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevComponent {
    /// The path of the component.
    pub file: PathBuf,
    /// The isolation in its manifest.
    pub isolation: Isolation,
    /// The URL parameters that name a room in its manifest.
    pub room_template: Option<RoomTemplate>,
}

impl DevComponents {
    /// Sets the crates and the source folders that the host serves to those of a configuration. Forgets the components of
    /// other crates.
    pub fn set_folders(&self, config: &Config) {
        let (crates, source_folders) = (crates_of(config), source_folders_of(config));
        let mut state = self.state();
        state.components.retain(|folder, _| crates.contains_key(folder));
        if (&state.crates, &state.source_folders) != (&crates, &source_folders) {
            state.crates = crates;
            state.source_folders = source_folders;
            self.folders_changed.notify_one();
        }
    }

    /// Returns the component of a crate; `None` if the crate has never been built.
    pub fn component(&self, folder: &Path) -> Option<DevComponent> {
        self.state().components.get(folder).cloned()
    }

    /// Waits until a component is new, or has another file or isolation, so that the host has to load plugins.
    /// Cancel-safe.
    pub async fn wait_for_component_change(&self) {
        self.components_changed.notified().await;
    }

    /// Returns the crates that the host serves, each with the labels of its plugins.
    pub(super) fn crates(&self) -> BTreeMap<PathBuf, String> {
        self.state().crates.clone()
    }

    /// Returns the folders of the source plugins that the host serves.
    pub(super) fn source_folders(&self) -> BTreeSet<PathBuf> {
        self.state().source_folders.clone()
    }

    /// Waits until the host serves other crates or source folders. Cancel-safe.
    pub(super) async fn wait_for_folder_change(&self) {
        self.folders_changed.notified().await;
    }

    /// Publishes the component of a crate, unless the host does not serve the crate any more.
    pub(super) fn publish(&self, folder: &Path, component: DevComponent) {
        let mut state = self.state();
        if !state.crates.contains_key(folder) {
            return;
        }
        let is_changed = state.components.get(folder) != Some(&component);
        state.components.insert(folder.to_owned(), component);
        if is_changed {
            self.components_changed.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, DevComponentsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The crates of a configuration, each with the labels of its plugins.
fn crates_of(config: &Config) -> BTreeMap<PathBuf, String> {
    let mut crates = BTreeMap::<PathBuf, String>::new();
    for (tenant, own) in &config.tenants {
        for (name, plugin) in &own.plugins {
            let PluginSource::Crate(folder) = &plugin.source else { continue };
            let labels = crates.entry(folder.clone()).or_default();
            if !labels.is_empty() {
                labels.push_str(", ");
            }
            labels.push_str(&tenant.plugin_label(name));
        }
    }
    crates
}

/// The folders of the source plugins of a configuration.
fn source_folders_of(config: &Config) -> BTreeSet<PathBuf> {
    let plugins = config.tenants.values().flat_map(|own| own.plugins.values());
    plugins
        .filter_map(|plugin| match &plugin.source {
            PluginSource::Source(folder) => Some(folder.clone()),
            PluginSource::Component(_) | PluginSource::Crate(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(plugins: &str) -> Config {
        Config::parse(plugins, Path::new("narrowboat.toml")).unwrap()
    }

    fn component(isolation: Isolation) -> DevComponent {
        DevComponent { file: "target/narrowboat/chat.wasm".into(), isolation, room_template: None }
    }

    /// Whether a notification is stored.
    fn is_notified(notify: &Notify) -> bool {
        let mut notified = Box::pin(notify.notified());
        notified.as_mut().enable()
    }

    #[test]
    fn a_crate_of_two_plugins_is_one_crate() {
        let components = DevComponents::default();
        components.set_folders(&config(
            "plugins.one.crate = \"chat\"\nplugins.two.crate = \"chat\"\nplugins.file.component = \"f.wasm\"",
        ));
        assert_eq!(components.crates(), BTreeMap::from([("chat".into(), "one, two".to_owned())]));
    }

    #[test]
    fn the_component_of_a_crate_that_is_not_served_any_more_is_forgotten() {
        let components = DevComponents::default();
        components.set_folders(&config("plugins.chat.crate = \"chat\""));
        components.publish(Path::new("chat"), component(Isolation::Shared));
        components.set_folders(&config(""));
        components.publish(Path::new("chat"), component(Isolation::Shared));
        assert_eq!(components.component(Path::new("chat")), None);
    }

    #[test]
    fn the_builder_is_notified_only_of_other_folders() {
        let components = DevComponents::default();
        components.set_folders(&config("plugins.chat.crate = \"chat\""));
        assert!(is_notified(&components.folders_changed));
        components.set_folders(&config("plugins.chat = { crate = \"chat\", grants = \"all\" }"));
        assert!(!is_notified(&components.folders_changed));
        components.set_folders(&config("plugins.chat.source = \"chat\""));
        assert!(is_notified(&components.folders_changed));
        assert!(components.crates().is_empty());
    }

    #[test]
    fn the_host_is_notified_only_of_components_that_it_has_to_load() {
        let components = DevComponents::default();
        components.set_folders(&config("plugins.chat.crate = \"chat\""));
        for (isolation, expected) in
            [(Isolation::Shared, true), (Isolation::Shared, false), (Isolation::Connection, true)]
        {
            components.publish(Path::new("chat"), component(isolation));
            assert_eq!(is_notified(&components.components_changed), expected);
        }
    }
}
