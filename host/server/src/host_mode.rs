//! Whether a host runs for operators or for a developer.

use std::sync::Arc;

use crate::log_buffer::LogBuffer;
use narrowboat_config::{Config, FailedMovePolicy};
use narrowboat_deploy::dev_builder::DevComponents;

/// Whether a host runs for operators or for a developer.
#[derive(Debug, Clone)]
pub enum HostMode {
    /// `narrowboat serve`: the host builds crates when it loads their plugins, a plugin of the tenant `default` that
    /// cannot be loaded keeps the host from starting, and operators approve additional capabilities.
    Serve,
    /// `narrowboat dev`: a builder beside the host builds crates, and the host serves their plugins from the first build
    /// on. The host installs the packages of source plugins. A plugin that cannot be loaded is loaded once it has changed.
    /// Versions from files and folders get the capabilities that the configuration grants. A consumer that cannot move
    /// restarts, unless the configuration says otherwise. The demo page has an editor.
    Dev {
        /// The components that the builder has built.
        components: Arc<DevComponents>,
        /// The last lines of the log, which the demo page shows.
        log_buffer: LogBuffer,
    },
}

impl HostMode {
    /// Whether a plugin of the tenant `default` that cannot be loaded keeps the host from starting.
    pub(crate) fn requires_all_plugins(&self) -> bool {
        matches!(self, Self::Serve)
    }

    /// The policy for a consumer that cannot move, of plugins whose configuration has none. A developer's next version
    /// always goes live, also if the state of the running one cannot be saved.
    pub(crate) fn default_failed_move(&self) -> FailedMovePolicy {
        match self {
            Self::Serve => FailedMovePolicy::default(),
            Self::Dev { .. } => FailedMovePolicy::Restart,
        }
    }

    /// Takes note of the configuration that is applied now.
    pub(crate) fn set_applied_config(&self, config: &Config) {
        if let Self::Dev { components, .. } = self {
            components.set_folders(config);
        }
    }
}
