//! The two ends of a connection.

use std::net::SocketAddr;

/// The addresses of a connection's two ends, and whether it is encrypted.
#[derive(Debug, Clone, Copy)]
pub struct PeerInfo {
    /// The client's address.
    pub client_addr: SocketAddr,
    /// This host's address.
    pub server_addr: SocketAddr,
    /// Whether the client uses TLS.
    pub is_secure: bool,
}
