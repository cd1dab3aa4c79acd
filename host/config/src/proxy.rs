//! `[proxy]`: who may say of others where they come from.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Locator};

/// The proxies before this host, and how they tell of their clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyConfig {
    /// Their addresses. `X-Forwarded-For` and `X-Forwarded-Proto` are believed from them alone.
    trusted: Vec<IpNet>,
    /// Whether each of their connections begins with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Whether the host that was asked for is the one in their `X-Forwarded-Host`, as Django's `USE_X_FORWARDED_HOST`
    /// has it.
    pub use_forwarded_host: bool,
}

impl ProxyConfig {
    /// Whether it is the address of such a proxy.
    pub fn is_trusted(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|net| net.contains(&address))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProxy {
    trusted: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    proxy_protocol: bool,
    #[serde(default)]
    use_forwarded_host: bool,
}

impl RawProxy {
    pub(super) fn check(self, location: &Locator<'_>) -> Result<ProxyConfig, ConfigError> {
        if self.trusted.get_ref().is_empty() {
            let problem = "names no proxy; leave [proxy] out if there is none";
            return Err(location.invalid(self.trusted.span(), "proxy.trusted", problem));
        }
        let Self { trusted, proxy_protocol, use_forwarded_host } = self;
        let nets = trusted.into_inner().into_iter();
        let nets = nets.map(|text| {
            parse_network(text.get_ref()).ok_or_else(|| {
                let problem = "must be an address or a network: \"10.0.0.1\", \"10.0.0.0/8\"";
                location.invalid(text.span(), "proxy.trusted", problem)
            })
        });
        let nets: Result<_, _> = nets.collect();
        Ok(ProxyConfig { trusted: nets?, proxy_protocol, use_forwarded_host })
    }
}

fn parse_network(text: &str) -> Option<IpNet> {
    let address = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    address.ok().or_else(|| text.parse().ok())
}
