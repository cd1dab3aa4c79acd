//! The response to a client that is not authenticated.

use narrowboat_core::handshake_response::Rejection;

/// A 401 for the bearer of a token (RFC 6750, section 3). `reason` tells the client why.
pub(super) fn unauthorized(reason: &str) -> Rejection {
    Rejection::plain_text(401, format!("{reason}\n")).with_header("www-authenticate", "Bearer")
}
