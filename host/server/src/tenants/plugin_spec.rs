//! The settings that a plugin was loaded with.

use std::sync::Arc;

use super::component_source::ComponentSource;
use narrowboat_config::{LayerConfig, Limits, PluginConfig};
use narrowboat_core::component::Role;

/// The settings that a plugin was loaded with. A configuration with the same settings keeps the plugin.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PluginSpec {
    /// The plugin's configuration, without the limits and settings that a reload changes in place.
    pub(super) config: PluginConfig,
    pub(super) component_source: ComponentSource,
    /// The plugin's limits, narrowed by those of its tenant and of the host.
    pub(super) limits: Limits,
    pub(super) layer: Arc<LayerConfig>,
    /// The largest `max_message` of the routes, in bytes.
    pub(super) max_frame: usize,
}

impl PluginSpec {
    /// Whether a plugin with these settings also serves `wanted`: the settings are the same, and the component was
    /// checked for each role that `wanted` uses.
    pub(super) fn satisfies(&self, wanted: &Self) -> bool {
        let has = |role: Role| self.config.uses.iter().any(|used| used.role == role);
        let has_roles = wanted.config.uses.iter().all(|used| has(used.role));
        let uses = self.config.uses.clone();
        let config = PluginConfig { uses, ..wanted.config.clone() };
        has_roles && *self == Self { config, ..wanted.clone() }
    }
}
