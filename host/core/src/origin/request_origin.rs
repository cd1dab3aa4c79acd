//! The origin of a request.

use super::authority::{default_port, is_valid_host, is_valid_scheme, split_host_port};

/// The origin of the page that opens a WebSocket, as the browser sends it (RFC 6454, section 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub(super) scheme: String,
    pub(super) host: String,
    port: Option<u16>,
}

impl Origin {
    /// Parses the value of an `Origin` header. Returns `None` for `null` and for other values without a host.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (host, port) = split_host_port(rest)?;
        (is_valid_scheme(scheme) && is_valid_host(host)).then(|| Self {
            scheme: scheme.to_ascii_lowercase(),
            host: host.to_ascii_lowercase(),
            port,
        })
    }

    /// The port, or the default port of the scheme.
    pub(super) fn effective_port(&self) -> Option<u16> {
        self.port.or_else(|| default_port(&self.scheme))
    }
}
