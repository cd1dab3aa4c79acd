//! Why a request was not sent, or has no response.

use std::io;

use thiserror::Error;

/// Why a request was not sent, or has no response.
#[derive(Debug, Error)]
pub enum EgressError {
    /// The capabilities of the plugin do not cover the host.
    #[error(
        "the host is not one that the manifest requests and the operator grants; add it to `http` in both"
    )]
    Denied,
    /// The host has no address on the public internet.
    #[error("the host has no public address; grant `private_addresses` to reach private ones")]
    PrivateAddress,
    /// The number of open requests has reached a limit.
    #[error("too many requests are open; the limit is `http_requests`")]
    TooManyRequests,
    /// The method is CONNECT, which makes a tunnel.
    #[error("the method CONNECT is not allowed")]
    MethodNotAllowed,
    /// The URI has no `http` or `https`, no host, or a user name before the host.
    #[error("the URI must have http or https and a host, without a user name")]
    InvalidTarget,
    /// The request has too many header fields.
    #[error("the request has too many header fields; the limit is `max_headers` of [http_client]")]
    TooManyHeaders,
    /// The body of the request is too long.
    #[error("the body of the request has more than {most} bytes")]
    RequestBodyTooLong {
        /// The limit in bytes.
        most: u64,
    },
    /// The body of the response is too long.
    #[error("the body of the response has more than {most} bytes")]
    ResponseBodyTooLong {
        /// The limit in bytes.
        most: u64,
    },
    /// The lookup of the host's name failed.
    #[error("cannot look up the name of the host: {0}")]
    NameResolution(io::Error),
    /// The connection failed.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// The TLS handshake failed.
    #[error("TLS handshake failed: {0}")]
    Tls(io::Error),
    /// The connection took too long.
    #[error("connecting took longer than the connect timeout")]
    ConnectTimeout,
    /// The head of the response took too long.
    #[error("the response took longer than the first-byte timeout")]
    FirstByteTimeout,
    /// A part of the response took too long.
    #[error("a part of the response took longer than the between-bytes timeout")]
    BetweenBytesTimeout,
    /// The response is not valid HTTP, or ended early.
    #[error("{0}")]
    Protocol(#[from] hyper::Error),
}
