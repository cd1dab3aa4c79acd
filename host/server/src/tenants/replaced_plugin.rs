//! The plugins that a new configuration replaces.

use std::sync::Arc;

use super::served_plugin::ServedPlugin;
use narrowboat_deploy::rollout::LiveVersionGuard;
use narrowboat_runtime::Sha256Digest;

/// A plugin that a new configuration replaces or removes. Its replacement was loaded with the version that was live then.
pub(super) struct ReplacedPlugin {
    plugin: Arc<ServedPlugin>,
    /// The version that was live when the replacement was loaded.
    live_version: Sha256Digest,
}

impl ReplacedPlugin {
    /// Captures the version that is live now.
    pub(super) fn capture(served: &Arc<ServedPlugin>) -> Self {
        Self {
            plugin: Arc::clone(served),
            live_version: served.rollout.plugin().live_version().digest(),
        }
    }

    /// Waits until no rollout of the plugin is under way, and holds its live version while the guard exists.
    pub(super) async fn hold_version(&self) -> LiveVersionGuard {
        self.plugin.rollout.lock_version().await
    }

    /// Whether the captured version is still live.
    pub(super) fn is_unchanged(&self) -> bool {
        self.plugin.rollout.plugin().live_version().digest() == self.live_version
    }
}
