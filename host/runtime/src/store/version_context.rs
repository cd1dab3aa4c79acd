//! The data that all instances of a version share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::host_services::HostServices;
use super::instance_limits::InstanceLimits;
use super::log_limiter::LogLimiter;
use super::store_limiter::InstanceGauges;
use crate::scheduling::ExecutionModeState;
use narrowboat_channels::ChannelLayer;
use narrowboat_core::capabilities::Capabilities;
use narrowboat_core::manifest::{RoomSettings, TrapPolicy};
use narrowboat_core::name::Tenant;
use narrowboat_quota::QuotaChain;

/// The data that all instances of a version share.
pub(crate) struct VersionContext {
    /// The label of the plugin, for the log.
    pub(crate) plugin: Arc<str>,
    /// The name in the manifest, or the label of the plugin if the component has no manifest.
    pub(crate) manifest_name: String,
    /// The description in the manifest, which may be empty.
    pub(crate) description: String,
    /// Whether consumers want to be told that the configuration of the plugin has changed.
    pub(crate) config_changed: bool,
    /// The settings of its rooms, if its consumers are in rooms.
    pub(crate) rooms: Option<Arc<RoomSettings>>,
    /// What happens to the consumers of an instance that traps or times out.
    pub(crate) on_trap: TrapPolicy,
    /// The time without events after which a connection gives its instance back; `None` if it keeps it.
    pub(crate) hibernate_after: Option<Duration>,
    pub(crate) tenant: Tenant,
    pub(crate) layer: Arc<dyn ChannelLayer>,
    /// The services beyond the host that the guests can reach.
    pub(crate) services: Arc<HostServices>,
    pub(crate) limits: InstanceLimits,
    /// The capabilities that the manifest requests. All of them are granted.
    pub(crate) capabilities: Capabilities,
    pub(crate) execution_mode: ExecutionModeState,
    pub(crate) usage: Arc<InstanceGauges>,
    /// Core instances of one component instance; `None` if they cannot be counted.
    pub(crate) core_instance_count: Option<u64>,
    /// Slots of the pool that one instance takes. Set once the version is compiled.
    pub(crate) pool_slots: OnceLock<usize>,
    /// Whether the component handles the alarms of rooms. Set once the version is compiled.
    pub(crate) handles_alarms: OnceLock<bool>,
    pub(crate) log_limiter: LogLimiter,
    /// Limits the log lines of panics, which need no capability.
    pub(crate) panic_limiter: LogLimiter,
    pub(crate) quota: Arc<QuotaChain>,
    /// Whether the channel layer has denied a name to a guest of this version.
    pub(crate) was_denied: AtomicBool,
    /// Whether the log has a warning that a guest uses an interface that its manifest does not request.
    pub(crate) has_warned_not_requested: AtomicBool,
    /// The first digits of the version's digest, for the log.
    pub(crate) version: String,
}

impl VersionContext {
    /// Slots of the pool that one instance takes.
    pub(crate) fn pool_slots(&self) -> usize {
        self.pool_slots.get().copied().unwrap_or(1)
    }

    /// Whether the component handles the alarms of rooms.
    pub(crate) fn handles_alarms(&self) -> bool {
        self.handles_alarms.get().copied().unwrap_or(false)
    }

    /// Warns once for each version that a guest uses an interface whose capability its manifest does not request.
    pub(crate) fn warn_import_not_requested(&self, interface: &str, manifest_line: &str) {
        if !self.has_warned_not_requested.swap(true, Ordering::Relaxed) {
            let (plugin, version) = (&*self.plugin, &*self.version);
            tracing::warn!(
                plugin,
                version,
                interface,
                capability = manifest_line,
                "calls return an error, because the manifest does not request the capability; add it below \
                 [capabilities] in plugin.toml, and to `grants` in the host's configuration"
            );
        }
    }
}
