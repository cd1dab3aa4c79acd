//! Patterns of HTTP destinations.

use std::fmt;

use serde::Deserialize;

use crate::origin::{HostPattern, HttpTarget};

/// A pattern of HTTP destinations: `https://api.example.com`, `.example.com:8443` (includes subdomains) or `*`. Without a
/// scheme it matches both schemes, and without a port it matches the default port of the scheme.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct HttpDestinationPattern {
    text: Box<str>,
    scheme: Option<Box<str>>,
    host: HostPattern,
    port: Option<u16>,
}

/// The supported schemes, and their default ports.
const DEFAULT_PORTS: [(&str, u16); 2] = [("http", 80), ("https", 443)];

impl HttpDestinationPattern {
    pub(super) fn matches(&self, target: &HttpTarget) -> bool {
        let scheme = self.scheme.as_deref().is_none_or(|scheme| scheme == target.scheme());
        let port = self.port_for(target.scheme()) == Some(target.port());
        scheme && port && self.host.matches(target.host())
    }

    /// Whether the pattern matches every destination that `other` matches.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let same_port = |scheme: &str| self.port_for(scheme) == other.port_for(scheme);
        self.host.covers(&other.host)
            && other.allowed_schemes().all(|it| self.allows_scheme(it) && same_port(it))
    }

    fn allowed_schemes(&self) -> impl Iterator<Item = &'static str> {
        DEFAULT_PORTS
            .into_iter()
            .map(|(scheme, _)| scheme)
            .filter(|scheme| self.allows_scheme(scheme))
    }

    fn allows_scheme(&self, scheme: &str) -> bool {
        self.scheme.as_deref().is_none_or(|own| own == scheme)
    }

    fn port_for(&self, scheme: &str) -> Option<u16> {
        let default = DEFAULT_PORTS.into_iter().find(|(name, _)| *name == scheme);
        self.port.or(default.map(|(_, port)| port))
    }
}

impl TryFrom<String> for HttpDestinationPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let invalid = || {
            let text: String = text.chars().take(100).collect();
            format!(
                "{text:?} is not a destination of requests: expected `https://api.example.com`, `.example.com:8443` \
                 (includes subdomains) or `*`, without a path"
            )
        };
        let (scheme, rest) = match text.split_once("://") {
            None => (None, text.as_str()),
            Some((scheme, rest)) => {
                let known =
                    DEFAULT_PORTS.into_iter().find(|(it, _)| it.eq_ignore_ascii_case(scheme));
                (Some(known.ok_or_else(invalid)?.0.into()), rest)
            }
        };
        let (host, port) = crate::origin::split_host_port(rest).ok_or_else(invalid)?;
        let host = host.parse().map_err(|_: String| invalid())?;
        Ok(Self { scheme, host, port, text: text.into() })
    }
}

/// Formats the pattern in quotes, as in TOML.
impl fmt::Display for HttpDestinationPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn destination(text: &str) -> HttpDestinationPattern {
        text.to_owned().try_into().unwrap()
    }

    fn matches(pattern: &str, url: &str) -> bool {
        let (scheme, authority) = url.split_once("://").unwrap();
        destination(pattern).matches(&HttpTarget::new(scheme, authority).unwrap())
    }

    #[test]
    fn a_pattern_has_a_scheme_a_host_and_a_port() {
        let matching = [
            ("https://api.example.com", "https://api.example.com"),
            ("https://api.example.com", "https://API.example.com.:443"),
            ("api.example.com", "http://api.example.com"),
            ("api.example.com", "https://api.example.com"),
            (".example.com", "https://example.com"),
            (".example.com", "https://a.b.example.com"),
            ("https://.example.com:8443", "https://a.example.com:8443"),
            ("*", "https://anywhere.example"),
            ("http://[::1]:8000", "http://[::1]:8000"),
        ];
        let not_matching = [
            ("https://api.example.com", "http://api.example.com"),
            ("https://api.example.com", "https://api.example.com:8443"),
            ("api.example.com", "http://api.example.com:443"),
            (".example.com", "https://badexample.com"),
            (".example.com", "https://example.com.evil.net"),
            ("*", "http://anywhere.example:22"),
            ("*:8080", "http://anywhere.example"),
        ];
        for (pattern, url) in matching {
            assert!(matches(pattern, url), "{pattern} {url}");
        }
        for (pattern, url) in not_matching {
            assert!(!matches(pattern, url), "{pattern} {url}");
        }
    }

    #[test]
    fn invalid_patterns_are_refused() {
        for text in ["", "https://", "ftp://a", "http://a/b", "a b", "https://u@a", "..a", "a:x"] {
            assert!(HttpDestinationPattern::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }

    const PATTERN: &str = "(https?://)?([*]|[.]?(a[.])?b|[.]b)(:(80|443|8443))?";

    proptest! {
        #[test]
        fn a_covering_pattern_matches_every_target_of_the_covered_one(
            granted in PATTERN,
            requested in PATTERN,
            secure: bool,
            host in "(c[.])?(a[.])?b|x",
            port in prop::sample::select(vec![80, 443, 8443, 22]),
        ) {
            let scheme = if secure { "https" } else { "http" };
            let target = HttpTarget::new(scheme, &format!("{host}:{port}")).unwrap();
            let (granted, requested) = (destination(&granted), destination(&requested));
            if granted.covers(&requested) && requested.matches(&target) {
                prop_assert!(granted.matches(&target));
            }
            prop_assert!(granted.covers(&granted));
        }
    }
}
