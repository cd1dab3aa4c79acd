//! Names of tenants.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::name_error::NameError;
use super::name_type::{check_name, name_type, no_separator};

name_type! {
    /// The name of a tenant, which has plugins, routes, channels, groups and quotas of its own. Tenants come from the
    /// configuration, never from a client or a guest. A clone shares the text.
    Tenant, no_separator
}

impl Tenant {
    /// The tenant that exists without any configuration: `default`.
    #[must_use]
    pub fn default_tenant() -> Self {
        Self("default".into())
    }

    /// Whether this is the default tenant.
    #[must_use]
    pub fn is_default(&self) -> bool {
        &*self.0 == "default"
    }

    /// The name of one of its plugins in log lines: `plugin` for the default tenant, `tenant/plugin` otherwise.
    #[must_use]
    pub fn plugin_label(&self, plugin: &str) -> String {
        if self.is_default() { plugin.to_owned() } else { format!("{self}/{plugin}") }
    }

    /// The arguments of the command line that name one of its plugins.
    #[must_use]
    pub fn arguments(&self, plugin: &str) -> String {
        if self.is_default() { plugin.to_owned() } else { format!("--tenant {self} {plugin}") }
    }
}

impl Default for Tenant {
    fn default() -> Self {
        Self::default_tenant()
    }
}
