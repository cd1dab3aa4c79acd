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
    /// Logs the changes.
    pub(crate) fn log(&self) {
        let lists = [&self.added, &self.changed, &self.removed].map(|tenants| list_names(tenants));
        if lists.iter().any(Option::is_some) {
            let [added, changed, removed] = lists;
            tracing::info!(added, changed, removed, "tenants reloaded");
        }
        if !self.restart_required.is_empty() {
            let keys = self.restart_required.join(", ");
            tracing::warn!(keys, "changed keys are only read at start; restart the host to apply");
        }
    }
}

/// Returns the names of tenants as one text; `None` without tenants.
fn list_names(tenants: &[Tenant]) -> Option<String> {
    let names: Vec<_> = tenants.iter().map(Tenant::as_str).collect();
    (!names.is_empty()).then(|| names.join(", "))
}
