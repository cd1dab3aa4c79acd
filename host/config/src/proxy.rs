//! `[proxy]`: the proxies that the host trusts to name the address of a client.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Locator};

/// The trusted proxies before this host, and how they name their clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyConfig {
    /// The addresses of the proxies. Only their `X-Forwarded-For` and `X-Forwarded-Proto` count.
    trusted: Vec<IpNet>,
    /// Whether each of their connections begins with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Whether their `X-Forwarded-Host` names the requested host, as with Django's `USE_X_FORWARDED_HOST`.
    pub use_forwarded_host: bool,
}

impl ProxyConfig {
    /// Returns whether an address belongs to a trusted proxy.
    pub fn is_trusted(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|net| net.contains(&address))
    }
}

/// `[proxy]`.
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
            let problem = "names no proxy; add an address or a network, or remove [proxy]";
            return Err(location.invalid(self.trusted.span(), "proxy.trusted", problem));
        }
        let Self { trusted, proxy_protocol, use_forwarded_host } = self;
        let networks = trusted.into_inner().into_iter().map(|text| {
            parse_network(text.get_ref()).ok_or_else(|| {
                let problem =
                    "must be an address or a network such as \"10.0.0.1\" or \"10.0.0.0/8\"";
                location.invalid(text.span(), "proxy.trusted", problem)
            })
        });
        let trusted = networks.collect::<Result<_, _>>()?;
        Ok(ProxyConfig { trusted, proxy_protocol, use_forwarded_host })
    }
}

/// Parses a network. An address is a network of one address.
fn parse_network(text: &str) -> Option<IpNet> {
    let address = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    address.ok().or_else(|| text.parse().ok())
}
