//! Which hosts a handshake may name, and from which pages it may come: Django's `ALLOWED_HOSTS`
//! (`django/http/request.py`, `validate_host`) and Channels' `OriginValidator` (`channels/security/websocket.py`).

mod http_target;
#[cfg(test)]
mod tests;

use std::net::Ipv6Addr;
use std::str::FromStr;

pub use http_target::HttpTarget;

/// A host name, or one with all that end in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// `*`: whatever it is.
    Any,
    /// `example.com`, an address, or `[::1]`.
    Exact(String),
    /// `.example.com`: the domain and all below it. Kept with its dot.
    DomainAndSubdomains(String),
}

/// From where a page may open a WebSocket here: `example.com`, `.example.com`, `https://example.com:8443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPattern {
    /// Compared where it is given.
    scheme: Option<String>,
    host: HostPattern,
    /// Compared where it is given, or the scheme, which has a usual one.
    port: Option<u16>,
}

/// What a browser says of the page that opens a WebSocket (RFC 6454, section 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl HostPattern {
    /// Whether it is this host, without its port.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(name) => host.eq_ignore_ascii_case(name),
            Self::DomainAndSubdomains(suffix) => {
                let host = host.to_ascii_lowercase();
                host.ends_with(suffix.as_str()) || host == suffix[1..]
            }
        }
    }
}

impl HostPattern {
    /// Whether each host of `other` is one of these.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Exact(name)) => self.matches(name),
            (Self::DomainAndSubdomains(suffix), Self::DomainAndSubdomains(other)) => {
                other.ends_with(suffix.as_str())
            }
            (Self::Exact(_) | Self::DomainAndSubdomains(_), _) => false,
        }
    }
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.strip_prefix('.').unwrap_or(text);
        if text == "*" {
            return Ok(Self::Any);
        }
        if name.is_empty() || name.starts_with('.') || !is_valid_host(name) {
            let problem = "is no host: `example.com`, `.example.com` with all below it, or `*`";
            return Err(format!("{text:?} {problem}; without a port or a scheme"));
        }
        let lower = text.to_ascii_lowercase();
        Ok(if text.starts_with('.') {
            Self::DomainAndSubdomains(lower)
        } else {
            Self::Exact(lower)
        })
    }
}

impl OriginPattern {
    /// Whether a page of this origin may; `None` is a handshake that names none.
    pub fn matches(&self, origin: Option<&Origin>) -> bool {
        if self.host == HostPattern::Any && self.scheme.is_none() && self.port.is_none() {
            return true;
        }
        let Some(origin) = origin else { return false };
        let scheme = self.scheme.as_ref().is_none_or(|scheme| *scheme == origin.scheme);
        let port = match (&self.scheme, self.port) {
            (None, None) => true,
            (None, port) => port == origin.effective_port(),
            (Some(scheme), port) => {
                port.or_else(|| default_port(scheme)) == origin.effective_port()
            }
        };
        scheme && port && self.host.matches(&origin.host)
    }
}

impl FromStr for OriginPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if is_valid_scheme(scheme) => {
                (Some(scheme.to_ascii_lowercase()), rest)
            }
            Some(_) => return Err(format!("{text:?} has no scheme before its `://`")),
            None => (None, text),
        };
        let wrong = || {
            format!("{text:?} is no origin: `https://example.com`, `.example.com`, `*`; no path")
        };
        let (host, port) = split_host_port(rest).ok_or_else(wrong)?;
        Ok(Self { scheme, host: host.parse().map_err(|_: String| wrong())?, port })
    }
}

impl Origin {
    /// Reads the value of an `Origin` header. `None` for `null` and whatever else names no host.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (host, port) = split_host_port(rest)?;
        (is_valid_scheme(scheme) && is_valid_host(host)).then(|| Self {
            scheme: scheme.to_ascii_lowercase(),
            host: host.to_ascii_lowercase(),
            port,
        })
    }

    fn effective_port(&self) -> Option<u16> {
        self.port.or_else(|| default_port(&self.scheme))
    }
}

/// The host that a request names, without its port: the value of `Host`, or the authority of its target.
pub fn host_from_authority(authority: &str) -> Option<&str> {
    // A port may be empty (RFC 3986, section 3.2.3).
    let (host, _) = split_host_port(authority.strip_suffix(':').unwrap_or(authority))?;
    is_valid_host(host).then(|| host.strip_suffix('.').unwrap_or(host))
}

/// Whether a request may name this: a host as RFC 3986, section 3.2.2, has it, which HTTP wants not to be empty (RFC 9110,
/// section 4.2), and perhaps a port. No user stands before it (section 4.2.4).
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

/// RFC 3986, section 3.2.2: `reg-name`, but not an empty one.
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

/// Takes `host:port` apart; an address of IPv6 keeps its brackets.
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

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

fn is_valid_scheme(text: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(rest)
}

/// As Django's `host_validation_re`: names, addresses, and addresses of IPv6 in brackets.
fn is_valid_host(text: &str) -> bool {
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
