//! Targets of outgoing HTTP requests.

use super::authority::{default_port, is_valid_host, split_host_port};

/// The scheme, the host and the port of an outgoing request. The host is in lower case and has no trailing dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTarget {
    scheme: &'static str,
    /// An IPv6 address has brackets.
    host: String,
    port: u16,
}

impl HttpTarget {
    /// Creates a target from the scheme and the authority of a URL. Returns `None` unless the scheme is `http` or `https`
    /// and the authority is a valid host with an optional port.
    pub fn new(scheme: &str, authority: &str) -> Option<Self> {
        let scheme = ["http", "https"].into_iter().find(|it| it.eq_ignore_ascii_case(scheme))?;
        let (host, port) = split_host_port(authority)?;
        if !is_valid_host(host) {
            return None;
        }
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let port = port.or_else(|| default_port(scheme))?;
        Some(Self { scheme, host, port })
    }

    /// The scheme, `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Whether the request uses TLS.
    pub fn is_secure(&self) -> bool {
        self.scheme == "https"
    }

    /// The host as in a URL, with brackets around an IPv6 address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host for DNS lookups, without brackets.
    pub fn name(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, also if it is the default.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The value of the header `Host`, without a default port.
    pub fn authority(&self) -> String {
        match default_port(self.scheme) == Some(self.port) {
            true => self.host.clone(),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(scheme: &str, authority: &str) -> Option<(String, u16, String)> {
        let target = HttpTarget::new(scheme, authority)?;
        Some((target.name().to_owned(), target.port(), target.authority()))
    }

    #[test]
    fn a_target_has_a_scheme_a_host_and_a_port() {
        let yes = [
            (("http", "example.com"), ("example.com", 80, "example.com")),
            (("HTTPS", "Example.COM."), ("example.com", 443, "example.com")),
            (("https", "example.com:8443"), ("example.com", 8443, "example.com:8443")),
            (("http", "[::1]:80"), ("::1", 80, "[::1]")),
            (("http", "127.0.0.1:443"), ("127.0.0.1", 443, "127.0.0.1:443")),
        ];
        for ((scheme, authority), (name, port, shown)) in yes {
            let expected = Some((name.to_owned(), port, shown.to_owned()));
            assert_eq!(parse(scheme, authority), expected, "{authority}");
        }
        let no = ["", "a b", "a:b", "a:70000", "user@example.com", "example.com/path", "[::1"];
        assert!(no.into_iter().all(|authority| parse("http", authority).is_none()));
        assert!(parse("ftp", "example.com").is_none());
    }
}
