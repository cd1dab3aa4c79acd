//! The checked settings of a plugin.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{FailedMovePolicy, OverflowPolicy, RollbackPolicy, SettingsConfig};
use crate::error::{ConfigError, SourceLocation, closest_match};
use crate::grants::Grants;
use crate::quota::Quota;
use narrowboat_core::capabilities::Capabilities;
use narrowboat_core::component::Role;
use narrowboat_core::manifest::Isolation;
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_core::units::DurationSetting;

/// The settings of a plugin. Where a field is `None`, the manifest or a default applies.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginConfig {
    /// Where the component or the source bundle comes from.
    pub source: PluginSource,
    /// The place of `component`, `source` or `crate` in the file.
    pub source_location: SourceLocation,
    /// The only versions that may run, whether they come as a file or by an upload; `None`: any version.
    pub pins: Option<Vec<Sha256Digest>>,
    /// The place of `sha256`.
    pub pins_location: SourceLocation,
    /// The isolation, which may only narrow the one in the manifest.
    pub isolation: Option<Isolation>,
    /// The place of `isolation`, or of the plugin's table if the key is absent.
    pub isolation_location: SourceLocation,
    /// The number of instances that the connections of a shared plugin are spread over.
    pub instances: usize,
    /// The capabilities that the plugin gets if its manifest requests them.
    pub grants: Grants,
    /// The place of `grants`, or of the plugin's table if the key is absent.
    pub grants_location: SourceLocation,
    /// The policy for a client that does not read.
    pub overflow: OverflowPolicy,
    /// The limits of the plugin.
    pub limits: Quota,
    /// The policy for a consumer that cannot move to another version.
    pub on_failed_move: Option<FailedMovePolicy>,
    /// The place of `on_failed_move`.
    pub on_failed_move_location: SourceLocation,
    /// How long a guest may postpone its move to another version, because its code waits.
    pub move_wait: DurationSetting,
    /// When the host rolls a new version back.
    pub rollback: RollbackPolicy,
    /// The name of the channel layer that the plugin uses.
    pub layer: String,
    /// The place of `layer`.
    pub layer_location: SourceLocation,
    /// The settings that the plugin reads, which change while it runs.
    pub settings: SettingsConfig,
    /// The roles that routes and workers use the plugin in, each role once.
    pub uses: Vec<PluginUse>,
}

/// A role that a route or a worker uses a plugin in.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginUse {
    /// The interface that the plugin has to export.
    pub role: Role,
    /// The key that names the plugin.
    pub key: &'static str,
    /// The place of that key.
    pub location: SourceLocation,
}

/// Where the component or the source bundle of a plugin comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginSource {
    /// The file of a component or of a source bundle.
    Component(PathBuf),
    /// The folder of a source plugin, which the host packs into a source bundle.
    Source(PathBuf),
    /// The folder of a guest crate, which the host builds at start.
    Crate(PathBuf),
}

impl PluginConfig {
    /// Records a role that the plugin is used in. The first use of a role counts.
    pub(crate) fn record_use(&mut self, new: PluginUse) {
        if self.uses.iter().all(|known| known.role != new.role) {
            self.uses.push(new);
        }
    }

    /// Checks that the plugin's layer is one of `layers`.
    pub(crate) fn check_layer<'a>(
        &self,
        name: &str,
        layers: impl Iterator<Item = &'a String> + Clone,
    ) -> Result<(), ConfigError> {
        if layers.clone().any(|layer| *layer == self.layer) {
            return Ok(());
        }
        let advice = match closest_match(&self.layer, layers.map(String::as_str)) {
            Some(layer) => format!("did you mean {layer:?}?"),
            None => format!("add a table [layers.{}]", self.layer),
        };
        let problem = format!("there is no layer {:?}; {advice}", self.layer);
        Err(self.layer_location.invalid(&format!("plugins.{name}.layer"), problem))
    }

    /// Checks that the manifest of a version requests no capability that is not granted.
    ///
    /// # Errors
    /// With the capabilities that are not granted, and the lines of TOML that would grant them.
    pub fn check_grants(&self, name: &str, requested: &Capabilities) -> Result<(), ConfigError> {
        let Grants::Only(granted) = &self.grants else { return Ok(()) };
        let missing = granted.missing_for(requested);
        if missing.is_empty() {
            return Ok(());
        }
        let lines = granted.toml_lines_with(&missing).join("`, `");
        let table = self.grants_location.qualified_key(&format!("plugins.{name}"));
        let problem = format!(
            "the manifest requests capabilities that are not granted: {missing}; write `{lines}` in [{table}.grants], \
             or `grants = \"all\"` in [{table}] for your own code"
        );
        Err(self.grants_location.invalid(&format!("plugins.{name}.grants"), problem))
    }

    /// Checks that a version may run, by its hash.
    ///
    /// # Errors
    /// If `sha256` does not list the hash.
    pub fn check_pin(&self, name: &str, version: Sha256Digest) -> Result<(), ConfigError> {
        match &self.pins {
            Some(pins) if !pins.contains(&version) => {
                let problem =
                    format!("does not list {version}; add this hash to allow the version to run");
                Err(self.pins_location.invalid(&format!("plugins.{name}.sha256"), problem))
            }
            _ => Ok(()),
        }
    }

    /// Checks that the file or the folder of the plugin exists.
    pub(crate) fn check_source_exists(&self, name: &str) -> Result<(), ConfigError> {
        let (key, kind, path, exists) = match &self.source {
            PluginSource::Component(file) => ("component", "file", file, file.is_file()),
            PluginSource::Source(folder) => ("source", "folder", folder, folder.is_dir()),
            PluginSource::Crate(folder) => ("crate", "folder", folder, folder.is_dir()),
        };
        if exists {
            return Ok(());
        }
        let problem = match &self.source {
            PluginSource::Component(path) if path.is_dir() => format!(
                "{path} is a folder; write `source = {path:?}` for a plugin in Python, or `crate = {path:?}` for one in \
                 Rust, which `narrowboat dev` builds",
                path = path.display().to_string()
            ),
            _ => format!("there is no {kind} {}", path.display()),
        };
        Err(self.source_location.invalid(&format!("plugins.{name}.{key}"), problem))
    }
}

/// The error for a plugin that does not exist, with the name that was probably meant.
pub(crate) fn unknown_plugin_message(
    name: &str,
    plugins: &BTreeMap<String, Box<PluginConfig>>,
) -> String {
    let known = plugins.keys().map(String::as_str);
    let advice = match closest_match(name, known.clone()) {
        Some(closest) => format!("did you mean {closest:?}?"),
        None if plugins.is_empty() => format!("add a table [plugins.{name}]"),
        None => format!("there are: {}", known.collect::<Vec<_>>().join(", ")),
    };
    format!("there is no plugin {name:?}; {advice}")
}
