//! The names of tenants, which clients send when they begin TLS (SNI).

use std::sync::Arc;

use narrowboat_config::{Config, TenantConfig, TenantMatcher, TenantTlsConfig};
use narrowboat_core::name::Tenant;
use narrowboat_core::origin::HostPattern;

/// The names of a tenant, and the certificate for them.
#[derive(Debug, Clone)]
pub(crate) struct TenantNames {
    /// The tenant.
    pub(super) tenant: Tenant,
    /// The requests that belong to the tenant.
    matcher: TenantMatcher,
    /// `None` if the clients of the tenant get the certificate of the host.
    pub(super) tls: Option<TenantTlsConfig>,
}

/// How closely a tenant fits a name: first its `hosts`, as for requests, and then the names of its certificate. The second
/// part is `None` if the tenant has no certificate for the name.
pub(super) type NameSpecificity = (usize, Option<usize>);

impl TenantNames {
    /// The names of all tenants of a configuration.
    pub(crate) fn of_config(config: &Config) -> Vec<Self> {
        let names = |(tenant, config): (&Tenant, &Arc<TenantConfig>)| Self {
            tenant: tenant.clone(),
            matcher: config.matcher.clone(),
            tls: config.tls.clone(),
        };
        config.tenants.iter().map(names).collect()
    }

    /// How closely the tenant fits a name. `None` if no request for the name belongs to the tenant.
    pub(super) fn specificity(&self, name: &str) -> Option<NameSpecificity> {
        let of_hosts = self.matcher.host_specificity(Some(name))?;
        let tls = self.tls.as_ref();
        Some((of_hosts, tls.and_then(|tls| HostPattern::best_specificity(&tls.hosts, name))))
    }
}
