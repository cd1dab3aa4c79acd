//! What is known of a connection when its handshake arrives, as ASGI's scope.

use std::net::SocketAddr;

use bytes::Bytes;
use http::HeaderName;

/// Header names in lower case with their raw values, in the order of the wire.
pub type Headers = Vec<(String, Bytes)>;

/// The handshake as its consumer sees it (ASGI's WebSocket connection scope).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// `ws`, or `wss` behind TLS.
    pub scheme: &'static str,
    /// Percent-decoded, as the route matched it.
    pub path: String,
    /// As it stood in the request line, without the query.
    pub raw_path: Bytes,
    /// Without the question mark; still encoded.
    pub query_string: Bytes,
    /// Every header of the request.
    pub headers: Vec<(HeaderName, Bytes)>,
    /// Offered by the client, in its order.
    pub subprotocols: Vec<String>,
    /// The peer's address.
    pub client: SocketAddr,
    /// The address it reached.
    pub server: SocketAddr,
    /// Named captures of the matched route.
    pub url_route: Vec<(String, String)>,
    /// Who the host says this is: the claims of a token as JSON.
    pub user: Option<String>,
    /// Whatever else the host has to tell.
    pub attributes: Vec<(String, String)>,
}

/// The attribute that tells a fresh consumer that its connection had one before, whose state was
/// lost when the plugin changed. Its value is `true`.
pub const RESTARTED_ATTRIBUTE: &str = "restarted";
