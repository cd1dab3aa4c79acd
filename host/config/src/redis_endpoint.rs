//! The address of a server of Redis.

use std::path::PathBuf;

use url::Url;

/// The port of a server that does not set one, as in redis-py.
pub(super) const DEFAULT_PORT: u16 = 6379;

/// The address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A host name or IP address, and a port.
    Tcp(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Endpoint {
    /// Returns the host and port of a URL, or their defaults.
    pub(super) fn of_tcp_url(url: &Url) -> Self {
        let host = url.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost");
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Self::Tcp(host.to_owned(), url.port().unwrap_or(DEFAULT_PORT))
    }
}
