//! The check of response headers.

use bytes::Bytes;

use super::handshake_response_error::{HandshakeResponseError, MAX_HEADER_BYTES, MAX_HEADERS};
use crate::http_fields::parse_token;
use crate::scope::Headers;

/// Headers of the handshake and of the connection. Only the host may set them.
pub const RESERVED_HEADERS: [&str; 8] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The prefix of the other headers that only the host may set.
pub const RESERVED_HEADER_PREFIX: &str = "sec-websocket-";

/// Checks the headers of a response.
///
/// # Errors
/// Too many headers, a reserved header, or an invalid name or value.
pub(super) fn check_headers(headers: &Headers) -> Result<(), HandshakeResponseError> {
    let bytes = headers_size(headers);
    if headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return Err(HandshakeResponseError::TooManyHeaders { count: headers.len(), bytes });
    }
    headers.iter().try_for_each(|(name, value)| check_header(name, value))
}

/// The bytes of all names and values.
pub(super) fn headers_size(headers: &Headers) -> usize {
    headers.iter().map(|(name, value)| name.len() + value.len()).sum()
}

fn check_header(name: &str, value: &Bytes) -> Result<(), HandshakeResponseError> {
    let lower = name.to_ascii_lowercase();
    if RESERVED_HEADERS.contains(&lower.as_str()) || lower.starts_with(RESERVED_HEADER_PREFIX) {
        return Err(HandshakeResponseError::ReservedHeader(name.to_owned()));
    }
    // The field-content of RFC 9110, section 5.5, including obs-text.
    let is_valid_value = value.iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..));
    if parse_token(name.as_bytes()).is_none() || !is_valid_value {
        return Err(HandshakeResponseError::InvalidHeader(name.escape_default().to_string()));
    }
    Ok(())
}
