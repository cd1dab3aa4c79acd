//! Warnings about parts of a configuration that are valid and probably not intended.

use super::{Config, DEFAULT_LAYER};
use narrowboat_core::name::Tenant;

impl Config {
    /// Returns a line for each part of the configuration that has no effect, and for each file of a secret that other users
    /// can read or change. Blocks on the disk.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.tenants.values().all(|tenant| tenant.routes.is_empty() && tenant.workers.is_empty())
        {
            warnings.push(
                "there are no routes, so every request gets 404; add a table [[routes]]".to_owned(),
            );
        }
        for (tenant, config) in &self.tenants {
            for (name, _) in config.plugins.iter().filter(|(_, plugin)| plugin.uses.is_empty()) {
                let name = tenant.plugin_label(name);
                warnings.push(format!(
                    "the plugin {name:?} has no route and no worker, so it is not used; add a table [[routes]] or [[workers]]"
                ));
            }
        }
        warnings.extend(self.unused_layers().map(|name| {
            format!("no plugin has `layer = {name:?}`, so [layers.{name}] is not used")
        }));
        warnings.extend(self.exposed_files());
        warnings
    }

    /// Returns the layers of the host that no plugin of any tenant uses.
    fn unused_layers(&self) -> impl Iterator<Item = &str> {
        let shared = self.tenants.get(&Tenant::default_tenant()).map(|tenant| &tenant.layers);
        let is_used = |name: &str| {
            let mut plugins = self.tenants.values().flat_map(|tenant| tenant.plugins.values());
            name == DEFAULT_LAYER || plugins.any(|plugin| plugin.layer == name)
        };
        let names = shared.into_iter().flat_map(|layers| layers.keys().map(String::as_str));
        names.filter(move |name| !is_used(name))
    }
}
