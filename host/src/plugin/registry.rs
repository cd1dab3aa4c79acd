//! Which plugins there are and which version of each is live.

use std::collections::HashMap;
use std::sync::Arc;

use super::lane::Share;
use super::version::Version;
use crate::config::Overflow;
use crate::manifest::Isolation;
use crate::name::Tenant;

/// A named component and how it runs.
pub struct Plugin {
    /// As routes call it.
    pub name: Arc<str>,
    /// Whose it is.
    pub tenant: Tenant,
    /// How many consumers share an instance.
    pub isolation: Isolation,
    /// Instances its connections are spread over, where they share any.
    pub instances: usize,
    /// What happens to a client that does not read.
    pub overflow: Overflow,
    /// Its part of the guest threads.
    pub share: Share,
    pub(super) live: Arc<Version>,
}

/// The plugins of a host, by tenant and name.
pub struct Registry {
    plugins: HashMap<Tenant, HashMap<Arc<str>, Arc<Plugin>>>,
}

impl Plugin {
    /// The version that new connections get. Who holds it keeps it alive.
    pub fn live(&self) -> &Arc<Version> {
        &self.live
    }
}

impl Registry {
    /// A registry of loaded plugins.
    pub fn new(plugins: impl IntoIterator<Item = Plugin>) -> Self {
        let mut registry = Self { plugins: HashMap::new() };
        for plugin in plugins {
            let of_tenant = registry.plugins.entry(plugin.tenant.clone()).or_default();
            of_tenant.insert(Arc::clone(&plugin.name), Arc::new(plugin));
        }
        registry
    }

    /// A tenant's plugin.
    pub fn get(&self, tenant: &Tenant, name: &str) -> Option<&Arc<Plugin>> {
        self.plugins.get(tenant)?.get(name)
    }
}
