//! Errors of a handshake that ends without a decision.

use std::io;
use std::time::Duration;

use thiserror::Error;

/// An error of a handshake that ends without a decision.
#[derive(Debug, Error)]
pub enum HandshakeError {
    /// The client's request or the caller's decision took longer than this limit. After a request the client got 503.
    #[error("handshake timed out after {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The PROXY protocol header is missing or invalid.
    #[error("invalid PROXY protocol header: {0}")]
    Proxy(io::Error),
    /// The TLS handshake failed.
    #[error("TLS handshake failed: {0}")]
    Tls(io::Error),
    /// The client sent something other than an HTTP request, or the socket failed.
    #[error("invalid HTTP request: {0}")]
    Http(#[from] hyper::Error),
}
