//! A plugin that a reload has loaded.

use narrowboat_core::manifest::Isolation;
use narrowboat_runtime::{Plugin, Sha256Digest};

/// A plugin that a reload has loaded, for the log.
pub(crate) struct ReadyPlugin {
    label: String,
    version: Sha256Digest,
    isolation: Isolation,
}

impl From<&Plugin> for ReadyPlugin {
    fn from(plugin: &Plugin) -> Self {
        Self {
            label: plugin.label.to_string(),
            version: plugin.live_version().digest(),
            isolation: plugin.isolation,
        }
    }
}

impl ReadyPlugin {
    /// Logs that the plugin is served from now on.
    pub(crate) fn log(&self) {
        let (version, isolation) = (self.version.short_hex(), self.isolation.key());
        tracing::info!(plugin = self.label, version, isolation, "plugin is ready");
    }
}
