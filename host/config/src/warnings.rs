//! What of a configuration is no error and hardly meant.

use super::{Config, DEFAULT_LAYER};
use narrowboat_core::name::Tenant;

impl Config {
    /// What has no effect as it is written, a line each.
    pub fn warnings(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.tenants.values().all(|own| own.routes.is_empty() && own.workers.is_empty()) {
            remarks.push("no routes: every request is answered 404".to_owned());
        }
        for (tenant, own) in &self.tenants {
            for (name, _) in own.plugins.iter().filter(|(_, plugin)| plugin.uses.is_empty()) {
                let name = tenant.plugin_label(name);
                remarks.push(format!(
                    "no route leads to the plugin {name:?}, and no worker is bound to it"
                ));
            }
        }
        remarks.extend(self.unused_layers().map(|name| {
            format!("no plugin has `layer = {name:?}`, so that [layers.{name}] is not used")
        }));
        remarks
    }

    /// The layers of all tenants that no plugin of any talks through.
    fn unused_layers(&self) -> impl Iterator<Item = &str> {
        let shared = self.tenants.get(&Tenant::default_tenant()).map(|own| &own.layers);
        let is_used = |name: &str| {
            let mut plugins = self.tenants.values().flat_map(|own| own.plugins.values());
            name == DEFAULT_LAYER || plugins.any(|plugin| plugin.layer == name)
        };
        let names = shared.into_iter().flat_map(|layers| layers.keys().map(String::as_str));
        names.filter(move |name| !is_used(name))
    }
}
