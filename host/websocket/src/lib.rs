//! WebSocket connections of the host.
//!
//! [`handshake`] opens a connection (RFC 6455, section 4), also behind proxies. [`connection`] runs it: messages,
//! keepalive, timers and the closing handshake. The private module `codec` converts between messages and frames (RFC
//! 6455, section 5) and compresses them (RFC 7692). [`client`] is the other side, for the command line.

pub mod client;
mod client_stream;
mod codec;
pub mod connection;
pub mod handshake;
mod split_tcp_stream;
