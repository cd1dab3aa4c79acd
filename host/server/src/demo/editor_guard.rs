//! The protection of the demo page's editor against other sites and other machines.

use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hyper::Version;
use subtle::ConstantTimeEq;

use narrowboat_core::origin::split_host_port;
use narrowboat_websocket::handshake::{HandshakeRequest, PeerInfo};

/// The header with the token of the page.
const TOKEN_HEADER: &str = "narrowboat-token";

/// The random bytes of a token.
const TOKEN_RANDOM_BYTES: usize = 32;

/// The prefix of headers that only proxies and tunnels send.
const PROXY_PREFIX: &str = "x-forwarded-";

/// Other headers of proxies and tunnels. A request with one of them may come from another machine.
const PROXY_HEADERS: [&str; 10] = [
    "forwarded",
    "via",
    "x-real-ip",
    "cf-connecting-ip",
    "true-client-ip",
    "x-client-ip",
    "client-ip",
    "x-original-host",
    "fly-client-ip",
    "x-envoy-external-address",
];

/// Decides which requests may use the editor.
pub(super) struct EditorGuard {
    /// A random text that only the page of this host has, since its start.
    token: String,
}

impl Default for EditorGuard {
    fn default() -> Self {
        let random = rand::random::<[u8; TOKEN_RANDOM_BYTES]>();
        Self { token: BASE64_URL_SAFE_NO_PAD.encode(random) }
    }
}

impl EditorGuard {
    /// The token, if the page that answers this request may have it: the request comes from this machine, and names this
    /// host by a name that no other site can use (DNS rebinding).
    pub(super) fn token_for(&self, request: &HandshakeRequest) -> Option<&str> {
        self.is_local(request).then_some(self.token.as_str())
    }

    /// Whether a request comes from a page that has the token.
    pub(super) fn allows(&self, request: &HandshakeRequest) -> bool {
        let token = request.singleton_field(TOKEN_HEADER).unwrap_or_default();
        let has_token = bool::from(token.as_bytes().ct_eq(self.token.as_bytes()));
        has_token && self.is_local(request) && is_same_origin(request)
    }

    fn is_local(&self, request: &HandshakeRequest) -> bool {
        let PeerInfo { client_addr, server_addr, .. } = request.peer();
        let is_loopback = client_addr.ip().is_loopback() && server_addr.ip().is_loopback();
        is_loopback && !comes_from_proxy(request) && is_own_host(request)
    }
}

/// Whether a proxy or a tunnel may have sent the request. Some proxies send HTTP/1.0 without any header of their own;
/// browsers never send it.
fn comes_from_proxy(request: &HandshakeRequest) -> bool {
    let is_of_proxy = |name: &str| name.starts_with(PROXY_PREFIX) || PROXY_HEADERS.contains(&name);
    request.version() < Version::HTTP_11 || request.header_names().any(is_of_proxy)
}

/// Whether `Host` is a loopback address or `localhost`, with the port of this host.
fn is_own_host(request: &HandshakeRequest) -> bool {
    let PeerInfo { server_addr, is_secure, .. } = request.peer();
    let host = request.singleton_field("host").and_then(split_host_port);
    host.is_some_and(|(name, port)| {
        let default_port = if *is_secure { 443 } else { 80 };
        is_loopback_name(name) && port.unwrap_or(default_port) == server_addr.port()
    })
}

fn is_loopback_name(name: &str) -> bool {
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether `Origin` is there and is the origin of this host's page.
fn is_same_origin(request: &HandshakeRequest) -> bool {
    let scheme = if request.peer().is_secure { "https://" } else { "http://" };
    let origin = request.singleton_field("origin").and_then(|origin| origin.strip_prefix(scheme));
    origin.is_some() && origin == request.singleton_field("host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_no_other_site_can_use_are_loopback_names() {
        for own in ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "[::1]"] {
            assert!(is_loopback_name(own), "{own}");
        }
        for other in ["", "0.0.0.0", "192.0.2.1", "localhost.example", "127.0.0.1.example", "[::]"]
        {
            assert!(!is_loopback_name(other), "{other}");
        }
    }

    #[test]
    fn each_host_has_a_token_of_its_own() {
        let (one, other) = (EditorGuard::default().token, EditorGuard::default().token);
        assert!(one.len() >= 43 && one != other);
    }
}
