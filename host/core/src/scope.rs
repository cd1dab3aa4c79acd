//! The scope of a connection, as in ASGI.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::header_list::HeaderList;

/// Header names in lower case and their raw values, in the order of the request.
pub type Headers = Vec<(String, Bytes)>;

/// The handshake as the consumer sees it (the WebSocket connection scope of ASGI).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// `ws`, or `wss` behind TLS.
    pub scheme: &'static str,
    /// The percent-decoded path, as the route matched it.
    pub path: String,
    /// The path of the request line, without the query.
    pub raw_path: Box<[u8]>,
    /// The query without the question mark, still percent-encoded.
    pub query_string: Box<[u8]>,
    /// All headers of the request.
    pub headers: HeaderList,
    /// The subprotocols that the client offers, in its order of preference.
    pub subprotocols: Vec<String>,
    /// The address of the client.
    pub client: SocketAddr,
    /// The local address that the client connected to.
    pub server: SocketAddr,
    /// The named captures of the matched route.
    pub url_route: Vec<(String, String)>,
    /// The authenticated user: the claims from a token or a webhook, as JSON.
    pub user: Option<String>,
    /// Further attributes that the host sets.
    pub attributes: Vec<(String, String)>,
}

/// The attribute of a new consumer whose connection had a consumer before, but lost its state in an update of the plugin.
/// The value is `true`.
pub const RESTARTED_ATTRIBUTE: &str = "restarted";
