//! The rules for an opening handshake, from RFC 6455, section 4.2.1, and HTTP.

use hyper::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use hyper::header::{SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION};
use hyper::{Method, Request, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use narrowboat_core::handshake_response::{HostRejection, Rejection};
use narrowboat_core::http_fields::{has_token, list_elements, parse_token, trim_ows};

/// The supported version of the WebSocket protocol.
const WEBSOCKET_VERSION: &[u8] = b"13";

/// The number of base64 characters for 16 bytes, without the padding.
const KEY_BASE64_LEN: usize = 22;

/// Checks a request, except for its host and its extensions, and returns the value of `Sec-WebSocket-Accept`.
///
/// # Errors
/// 405 for a method other than GET, 426 for a GET without an upgrade or for another version, 400 for any other error.
pub(super) fn accept_key(head: &Request<()>) -> Result<HeaderValue, Rejection> {
    let headers = head.headers();
    if head.method() != Method::GET {
        return Err(HostRejection::MethodNotAllowed.into());
    }
    check_upgrade_headers(head)?;
    let version = singleton_field(headers, &SEC_WEBSOCKET_VERSION);
    match version.ok_or(HostRejection::DuplicateVersion)? {
        Some(WEBSOCKET_VERSION) => {}
        Some(_) => return Err(HostRejection::UnsupportedVersion.into()),
        None => return Err(HostRejection::MissingVersion.into()),
    }
    let key = singleton_field(headers, &SEC_WEBSOCKET_KEY).ok_or(HostRejection::DuplicateKey)?;
    let key = key.filter(|key| is_valid_key(key)).ok_or(HostRejection::InvalidKey)?;
    if list_elements(field_lines(headers, &SEC_WEBSOCKET_PROTOCOL))
        .any(|name| parse_token(name).is_none())
    {
        return Err(HostRejection::InvalidSubprotocol.into());
    }
    HeaderValue::try_from(derive_accept_key(key)).map_err(|_| HostRejection::InvalidKey.into())
}

/// Checks that the request asks for an upgrade to WebSocket in HTTP/1.1.
fn check_upgrade_headers(head: &Request<()>) -> Result<(), Rejection> {
    let headers = head.headers();
    // A server must ignore `Upgrade` in HTTP/1.0 (RFC 9110, section 7.8).
    let is_upgrade = head.version() >= Version::HTTP_11
        && has_token(field_lines(headers, &CONNECTION), "upgrade")
        && has_token(field_lines(headers, &UPGRADE), "websocket");
    if is_upgrade {
        Ok(())
    } else if !headers.contains_key(SEC_WEBSOCKET_KEY) {
        Err(HostRejection::UpgradeRequired.into())
    } else if head.version() < Version::HTTP_11 {
        Err(HostRejection::HttpVersionTooOld.into())
    } else {
        Err(HostRejection::MissingUpgrade.into())
    }
}

/// Returns the values of all lines of a field.
pub(super) fn field_lines<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    headers.get_all(name).iter().map(HeaderValue::as_bytes)
}

/// Returns the value of a field that may have one line at most. The outer `None` means that it has more.
fn singleton_field<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Option<&'a [u8]>> {
    let mut values = field_lines(headers, name);
    match (values.next(), values.next()) {
        (value, None) => Some(value.map(trim_ows)),
        _ => None,
    }
}

/// Returns whether `key` is 16 bytes in base64. The unused bits of the last character may have any value.
fn is_valid_key(key: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    key.strip_suffix(b"==")
        .is_some_and(|key| key.len() == KEY_BASE64_LEN && key.iter().all(is_base64))
}
