//! Where a request leads: a scheme, a host and a port.

use super::{default_port, is_valid_host, split_host_port};

/// Where a request leads. Names are in lower case and without a dot at their end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTarget {
    scheme: &'static str,
    /// An address of IPv6 in brackets.
    host: String,
    port: u16,
}

impl HttpTarget {
    /// Of a URL's scheme and what stands between that and the path. `None` unless it is `http` or `https` and names a
    /// host.
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

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Whether TLS is spoken.
    pub fn is_secure(&self) -> bool {
        self.scheme == "https"
    }

    /// The host as URLs have it: an address of IPv6 in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host as it is looked up: without brackets.
    pub fn name(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, which may be the usual one.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What stands in the header `Host`: the port only where it is not the usual one.
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

    fn told(scheme: &str, authority: &str) -> Option<(String, u16, String)> {
        let target = HttpTarget::new(scheme, authority)?;
        Some((target.name().to_owned(), target.port(), target.authority()))
    }

    #[test]
    fn a_target_is_what_a_url_begins_with() {
        let yes = [
            (("http", "example.com"), ("example.com", 80, "example.com")),
            (("HTTPS", "Example.COM."), ("example.com", 443, "example.com")),
            (("https", "example.com:8443"), ("example.com", 8443, "example.com:8443")),
            (("http", "[::1]:80"), ("::1", 80, "[::1]")),
            (("http", "127.0.0.1:443"), ("127.0.0.1", 443, "127.0.0.1:443")),
        ];
        for ((scheme, authority), (name, port, shown)) in yes {
            let wanted = Some((name.to_owned(), port, shown.to_owned()));
            assert_eq!(told(scheme, authority), wanted, "{authority}");
        }
        let no = ["", "a b", "a:b", "a:70000", "user@example.com", "example.com/path", "[::1"];
        assert!(no.into_iter().all(|authority| told("http", authority).is_none()));
        assert!(told("ftp", "example.com").is_none());
    }
}
