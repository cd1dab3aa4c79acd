//! The services beyond the host that the guests of a version can reach.

use std::sync::Arc;

use tokio::sync::watch;

use narrowboat_core::capabilities::Capabilities;
use narrowboat_core::plugin_settings::PluginSettings;
use narrowboat_egress::Egress;
use narrowboat_keyvalue::KeyvalueStore;
use narrowboat_quota::QuotaChain;
use narrowboat_schedule::WallClock;

/// The services beyond the host that the guests of a version can reach.
pub(crate) struct HostServices {
    pub(crate) keyvalue: Arc<KeyvalueStore>,
    pub(crate) egress: Arc<Egress>,
    /// The settings of the plugin, which change while it runs.
    pub(crate) settings: Arc<PluginSettings>,
    /// The wall clock of the host.
    pub(crate) clock: WallClock,
    /// The capabilities of the version.
    pub(crate) capabilities: Capabilities,
    /// The quota of the plugin.
    pub(crate) quota: Arc<QuotaChain>,
    /// Becomes true when imports must stop waiting.
    pub(crate) stopping: watch::Receiver<bool>,
}
