//! The result of a reload.

use std::time::Duration;

use narrowboat_core::name::Tenant;

/// The changes that a reload of the configuration has made.
#[derive(Debug, Default)]
pub(crate) struct ReloadReport {
    /// Tenants that are new.
    pub(crate) added: Vec<Tenant>,
    /// Tenants whose configuration has changed.
    pub(crate) changed: Vec<Tenant>,
    /// Tenants that were removed.
    pub(crate) removed: Vec<Tenant>,
    /// Labels of plugins that are not served, or still run with their previous settings, because they cannot be loaded.
    pub(crate) failed_plugins: Vec<String>,
    /// Top-level keys that have changed since the start and are only read at start.
    pub(crate) restart_required: Vec<String>,
    /// The time since the previous configuration was applied, which this one was compared with.
    pub(crate) previous_config_age: Duration,
}

impl ReloadReport {
    /// Logs each kind of change on a line of its own.
    pub(crate) fn log(&self) {
        let kinds =
            [("added", &self.added), ("changed", &self.changed), ("removed", &self.removed)];
        for (kind, tenants) in kinds {
            if !tenants.is_empty() {
                let names: Vec<_> = tenants.iter().map(Tenant::as_str).collect();
                tracing::info!("tenants {kind}: {}", names.join(", "));
            }
        }
        if !self.restart_required.is_empty() {
            let keys = self.restart_required.join(", ");
            tracing::warn!("{keys}: changed, but only read at start; restart the host to apply");
        }
    }
}
