//! Patterns of origins.

use std::str::FromStr;

use super::authority::{default_port, is_valid_scheme, split_host_port};
use super::host_pattern::HostPattern;
use super::request_origin::Origin;

/// A pattern of the origins that may open a WebSocket: `example.com`, `.example.com`, `https://example.com:8443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPattern {
    /// Compared if it is set.
    scheme: Option<String>,
    host: HostPattern,
    /// Compared if it is set. If only the scheme is set, its default port is compared.
    port: Option<u16>,
}

impl OriginPattern {
    /// Whether the pattern matches an origin. `None` is a handshake without an origin, which only `*` matches.
    pub fn matches(&self, origin: Option<&Origin>) -> bool {
        if self.host == HostPattern::Any && self.scheme.is_none() && self.port.is_none() {
            return true;
        }
        let Some(origin) = origin else { return false };
        let scheme = self.scheme.as_ref().is_none_or(|scheme| *scheme == origin.scheme);
        let port = match (&self.scheme, self.port) {
            (None, None) => true,
            (None, port) => port == origin.effective_port(),
            (Some(scheme), port) => {
                port.or_else(|| default_port(scheme)) == origin.effective_port()
            }
        };
        scheme && port && self.host.matches(&origin.host)
    }
}

impl FromStr for OriginPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if is_valid_scheme(scheme) => {
                (Some(scheme.to_ascii_lowercase()), rest)
            }
            Some(_) => return Err(format!("{text:?} has no valid scheme before `://`")),
            None => (None, text),
        };
        let invalid = || {
            format!(
                "{text:?} is not an origin: expected `https://example.com`, `.example.com` or `*`, without a path"
            )
        };
        let (host, port) = split_host_port(rest).ok_or_else(invalid)?;
        Ok(Self { scheme, host: host.parse().map_err(|_: String| invalid())?, port })
    }
}
