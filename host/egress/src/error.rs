//! Why a request was not made, or not answered.

use std::io;

use thiserror::Error;

/// Why a request was not made, or not answered.
#[derive(Debug, Error)]
pub enum EgressError {
    /// No host that it may reach.
    #[error("the host is none that the manifest requests and the operator grants")]
    Denied,
    /// All addresses of the host are of this machine, its network, or not of the public internet otherwise.
    #[error("the host has no public address, and `private_addresses` is not granted")]
    PrivateAddress,
    /// As many requests are open as there may be.
    #[error("too many requests are open (limits.http_requests)")]
    TooManyRequests,
    /// A method that makes a tunnel.
    #[error("there are no tunnels")]
    MethodNotAllowed,
    /// No `http` or `https`, no host, or a name and password before it.
    #[error("no host to send it to")]
    InvalidTarget,
    /// More header fields than a request may have.
    #[error("too many header fields")]
    TooManyHeaders,
    /// The request's body is too long.
    #[error("the request's body is longer than {most} bytes")]
    RequestBodyTooLong {
        /// Bytes it may have.
        most: u64,
    },
    /// The answer's body is too long.
    #[error("the answer's body is longer than {most} bytes")]
    ResponseBodyTooLong {
        /// Bytes it may have.
        most: u64,
    },
    /// Nobody knows the host.
    #[error("the host's name is not known: {0}")]
    NameResolution(io::Error),
    /// It does not let anybody connect.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// It is not who it should be, or speaks no TLS.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// There was no connection in time.
    #[error("no connection in time")]
    ConnectTimeout,
    /// There was no answer in time.
    #[error("no answer in time")]
    FirstByteTimeout,
    /// The answer did not go on in time.
    #[error("the answer did not go on in time")]
    BetweenBytesTimeout,
    /// What came is no HTTP, or ended too early.
    #[error("{0}")]
    Protocol(#[from] hyper::Error),
}
