//! `[tenants.NAME.tls]`: the certificate of a tenant.

use std::path::Path;

use serde::Deserialize;
use toml::{Spanned, Value};

use crate::allow_lists::{self, RawPatternList};
use crate::error::{ConfigError, Locator};
use crate::tls::{TlsConfig, check_pair};
use narrowboat_core::origin::HostPattern;

/// The certificate of a tenant, and the names for which clients get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantTlsConfig {
    /// The names: exact ones, and domains with their subdomains. At least one.
    pub hosts: Vec<HostPattern>,
    /// The certificate and its key.
    pub certificate: TlsConfig,
}

/// `[tenants.NAME.tls]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTenantTls {
    hosts: RawPatternList,
    cert: Spanned<Value>,
    key: Spanned<Value>,
}

/// Checks the table of a tenant whose requests are for `tenant_hosts`, or for any host if that is empty.
pub(super) fn check_tls(
    raw: Spanned<RawTenantTls>,
    tenant_hosts: &[HostPattern],
    has_host_tls: bool,
    folder: &Path,
    location: &Locator<'_>,
) -> Result<TenantTlsConfig, ConfigError> {
    let (span, raw) = (raw.span(), raw.into_inner());
    if !has_host_tls {
        let problem = "needs a table [tls] with the certificate of the host, which clients get that name no tenant";
        return Err(location.invalid(span, "tls", problem));
    }
    let place = raw.hosts.as_ref().map_or(span, Spanned::span);
    let hosts = allow_lists::parse_patterns(raw.hosts, "tls.hosts", location)?;
    let hosts = hosts.unwrap_or_else(|| tenant_hosts.to_vec());
    let invalid = |problem: &str| location.invalid(place.clone(), "tls.hosts", problem);
    if hosts.is_empty() || hosts.iter().any(|host| !is_name(host)) {
        return Err(invalid(
            "must be a list of names such as [\"acme.example.com\"] or [\".acme.example.com\"], because a client names no \
             address and no `*`",
        ));
    }
    let is_own = |host: &HostPattern| tenant_hosts.iter().any(|own| own.covers(host));
    if !tenant_hosts.is_empty() && !hosts.iter().all(is_own) {
        return Err(invalid(
            "has a name that `hosts` of the tenant does not have, so that its requests would be refused; add it there",
        ));
    }
    let certificate = check_pair(&raw.cert, &raw.key, "tls", folder, location)?;
    Ok(TenantTlsConfig { hosts, certificate })
}

/// Whether a pattern is a name that a client may send before the handshake of TLS (RFC 6066, section 3).
fn is_name(host: &HostPattern) -> bool {
    match host {
        HostPattern::Any => false,
        HostPattern::DomainAndSubdomains(_) => true,
        HostPattern::Exact(name) => {
            !name.starts_with('[') && name.parse::<std::net::IpAddr>().is_err()
        }
    }
}
