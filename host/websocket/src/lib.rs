//! WebSocket connections: the opening handshake (RFC 6455, section 4, with the proxies in front of it) and the connection
//! that follows it (framing, permessage-deflate, keepalive, closing). The client
//! is for the command line.

pub mod client;
pub mod connection;
pub mod handshake;
