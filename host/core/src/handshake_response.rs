//! The response of a consumer to a handshake, checked against the rules of HTTP and RFC 6455.

mod acceptance;
mod handshake_response_error;
mod header_check;
mod rejection;

pub use acceptance::Acceptance;
pub use handshake_response_error::HandshakeResponseError;
pub use rejection::Rejection;

#[cfg(test)]
mod tests;
