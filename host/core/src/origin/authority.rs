//! Hosts, ports and schemes of URLs.

use std::net::Ipv6Addr;

/// Returns the host of an authority, without its port. The authority is the value of `Host` or part of the target of a
/// request. Returns `None` if the host is not valid.
pub fn host_from_authority(authority: &str) -> Option<&str> {
    // A port may be empty (RFC 3986, section 3.2.3).
    let (host, _) = split_host_port(authority.strip_suffix(':').unwrap_or(authority))?;
    is_valid_host(host).then(|| host.strip_suffix('.').unwrap_or(host))
}

/// Whether a text is a valid authority of a request: a host (RFC 3986, section 3.2.2) that is not empty (RFC 9110, section
/// 4.2), and an optional port. User information is not allowed (RFC 9110, section 4.2.4).
pub fn is_valid_authority(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let end = text.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match text[end..].find(':') {
        Some(at) => (&text[..end + at], &text[end + at + 1..]),
        None => (text, ""),
    };
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|it| it.parse::<Ipv6Addr>().is_ok()),
        None => is_valid_reg_name(host.as_bytes()),
    };
    host && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a name is a `reg-name` (RFC 3986, section 3.2.2) that is not empty.
fn is_valid_reg_name(name: &[u8]) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
    let mut rest = name;
    loop {
        rest = match rest {
            [b'%', high, low, rest @ ..] if [high, low].iter().all(|it| it.is_ascii_hexdigit()) => {
                rest
            }
            [byte, rest @ ..] if plain(*byte) => rest,
            rest => return rest.is_empty() && !name.is_empty(),
        }
    }
}

/// Splits `host:port`. An IPv6 address keeps its brackets. Returns `None` if the port is not a number up to 65535.
pub fn split_host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let end = text.rfind(']').map_or(0, |end| end + 1);
    match text[end..].find(':').map(|at| end + at) {
        Some(at) if text[at + 1..].bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((&text[..at], Some(text[at + 1..].parse().ok()?)))
        }
        Some(_) => None,
        None => Some((text, None)),
    }
}

/// The default port of a scheme.
pub(super) fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// Whether a text is a scheme (RFC 3986, section 3.1).
pub(super) fn is_valid_scheme(text: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(rest)
}

/// Whether a text is a host, as Django's `host_validation_re`: a name, an address, or an IPv6 address in brackets.
pub(super) fn is_valid_host(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|address| {
            address.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte))
        }),
        None => {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            !text.is_empty() && text.bytes().all(inner)
        }
    }
}
