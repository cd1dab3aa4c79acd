//! The response of a consumer to a handshake, checked against the rules of HTTP and RFC 6455.

mod acceptance;
mod handshake_response_error;
mod header_check;
mod host_rejection;
mod rejection;

pub use acceptance::Acceptance;
pub use handshake_response_error::{
    HandshakeResponseError, MAX_BODY, MAX_HEADER_BYTES, MAX_HEADERS, REJECTION_STATUSES,
};
pub use header_check::{RESERVED_HEADER_PREFIX, RESERVED_HEADERS};
pub use host_rejection::HostRejection;
pub use rejection::Rejection;

#[cfg(test)]
mod tests;
