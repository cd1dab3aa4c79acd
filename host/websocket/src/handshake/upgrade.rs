//! Whether a request is an opening handshake, as RFC 6455, section 4.2.1, and HTTP have it.

use hyper::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use hyper::header::{SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION};
use hyper::{Method, Request, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use narrowboat_core::handshake_response::Rejection;
use narrowboat_core::http_fields::{has_token, list_elements, parse_token, trim_ows};

/// The version that is spoken.
const WEBSOCKET_VERSION: &[u8] = b"13";

/// Characters of 16 bytes in base64 before the padding.
const KEY_BASE64_LEN: usize = 22;

/// The value of `Sec-WebSocket-Accept` for a request, without what it says of its host and of extensions.
///
/// # Errors
/// 405 for a method other than GET, 426 for a plain GET or another version, 400 for the rest.
pub(super) fn accept_key(head: &Request<()>) -> Result<HeaderValue, Rejection> {
    let headers = head.headers();
    if head.method() != Method::GET {
        let rejection =
            Rejection::plain_text(405, "method not allowed: WebSocket handshakes use GET\n");
        return Err(rejection.with_header("allow", "GET"));
    }
    // An upgrade that is asked for in HTTP/1.0 does not count (RFC 9110, section 7.8).
    let upgrades = head.version() >= Version::HTTP_11
        && has_token(field_lines(headers, &CONNECTION), "upgrade")
        && has_token(field_lines(headers, &UPGRADE), "websocket");
    if !upgrades && !headers.contains_key(SEC_WEBSOCKET_KEY) {
        let why =
            "this is a WebSocket endpoint; connect with a WebSocket client (ws:// or wss://)\n";
        return Err(upgrade_required(why));
    }
    if head.version() < Version::HTTP_11 {
        return Err(bad_handshake("HTTP/1.1 is needed"));
    }
    if !upgrades {
        return Err(bad_handshake("\"Connection: Upgrade\" and \"Upgrade: websocket\" are needed"));
    }
    match singleton_field(headers, &SEC_WEBSOCKET_VERSION)? {
        Some(WEBSOCKET_VERSION) => {}
        Some(_) => return Err(upgrade_required("only WebSocket version 13 is supported\n")),
        None => return Err(bad_handshake("Sec-WebSocket-Version is needed")),
    }
    let Some(key) = singleton_field(headers, &SEC_WEBSOCKET_KEY)?.filter(|key| is_valid_key(key))
    else {
        return Err(bad_handshake("Sec-WebSocket-Key has to be 16 bytes in base64"));
    };
    if list_elements(field_lines(headers, &SEC_WEBSOCKET_PROTOCOL))
        .any(|name| parse_token(name).is_none())
    {
        return Err(bad_handshake("Sec-WebSocket-Protocol contains an invalid token"));
    }
    HeaderValue::try_from(derive_accept_key(key)).map_err(|_| bad_handshake("Sec-WebSocket-Key"))
}

/// The values of a field, as they came.
pub(super) fn field_lines<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    headers.get_all(name).iter().map(HeaderValue::as_bytes)
}

/// The value of a field that may come once at most.
fn singleton_field<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a [u8]>, Rejection> {
    let mut values = field_lines(headers, name);
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(trim_ows)),
        _ => Err(bad_handshake(&format!("duplicate {name} header"))),
    }
}

/// Whether it is 16 bytes in base64. The last character has bits that nobody reads, and may have any there.
fn is_valid_key(key: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    key.strip_suffix(b"==").is_some_and(|key| key.len() == KEY_BASE64_LEN && key.iter().all(digit))
}

/// 400, with what is wrong.
pub(super) fn bad_handshake(why: &str) -> Rejection {
    Rejection::plain_text(400, format!("bad WebSocket handshake: {why}\n"))
}

/// RFC 9110, section 15.5.22, and RFC 6455, section 4.4: with what would be understood.
fn upgrade_required(why: &str) -> Rejection {
    let mut rejection = Rejection::plain_text(426, why);
    for (name, value) in
        [("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-version", "13")]
    {
        rejection = rejection.with_header(name, value);
    }
    rejection
}
