//! A pattern on where requests lead, and which other patterns it covers.

use std::fmt;

use serde::Deserialize;

use crate::origin::{HostPattern, HttpTarget};

/// Where requests may lead: `https://api.example.com`, `.example.com:8443` with all below it, `*`. Without a scheme it
/// is both, and without a port the usual one of the scheme.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct HttpDestinationPattern {
    text: Box<str>,
    scheme: Option<Box<str>>,
    host: HostPattern,
    port: Option<u16>,
}

/// The schemes there are, and their usual ports.
const DEFAULT_PORTS: [(&str, u16); 2] = [("http", 80), ("https", 443)];

impl HttpDestinationPattern {
    pub(super) fn matches(&self, target: &HttpTarget) -> bool {
        let scheme = self.scheme.as_deref().is_none_or(|scheme| scheme == target.scheme());
        let port = self.port_for(target.scheme()) == Some(target.port());
        scheme && port && self.host.matches(target.host())
    }

    /// Whether each request that may lead where `other` says may lead where this one says too.
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
        let usual = DEFAULT_PORTS.into_iter().find(|(name, _)| *name == scheme);
        self.port.or(usual.map(|(_, port)| port))
    }
}

impl TryFrom<String> for HttpDestinationPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || {
            let forms = "`https://api.example.com`, `.example.com:8443` with all below it, or `*`";
            let text: String = text.chars().take(100).collect();
            format!("{text:?} is no host for requests: {forms}; without a path")
        };
        let (scheme, rest) = match text.split_once("://") {
            None => (None, text.as_str()),
            Some((scheme, rest)) => {
                let known =
                    DEFAULT_PORTS.into_iter().find(|(it, _)| it.eq_ignore_ascii_case(scheme));
                (Some(known.ok_or_else(wrong)?.0.into()), rest)
            }
        };
        let (host, port) = crate::origin::split_host_port(rest).ok_or_else(wrong)?;
        let host = host.parse().map_err(|_: String| wrong())?;
        Ok(Self { scheme, host, port, text: text.into() })
    }
}

/// In quotes, as it is written in TOML.
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
    fn a_destination_is_a_scheme_a_host_and_a_port() {
        let yes = [
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
        let no = [
            ("https://api.example.com", "http://api.example.com"),
            ("https://api.example.com", "https://api.example.com:8443"),
            ("api.example.com", "http://api.example.com:443"),
            (".example.com", "https://badexample.com"),
            (".example.com", "https://example.com.evil.net"),
            ("*", "http://anywhere.example:22"),
            ("*:8080", "http://anywhere.example"),
        ];
        for (pattern, url) in yes {
            assert!(matches(pattern, url), "{pattern} {url}");
        }
        for (pattern, url) in no {
            assert!(!matches(pattern, url), "{pattern} {url}");
        }
    }

    #[test]
    fn what_is_no_destination_is_refused() {
        for text in ["", "https://", "ftp://a", "http://a/b", "a b", "https://u@a", "..a", "a:x"] {
            assert!(HttpDestinationPattern::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }

    const PATTERN: &str = "(https?://)?([*]|[.]?(a[.])?b|[.]b)(:(80|443|8443))?";

    proptest! {
        #[test]
        fn what_is_covered_is_matched(
            granted in PATTERN,
            asked in PATTERN,
            secure: bool,
            host in "(c[.])?(a[.])?b|x",
            port in prop::sample::select(vec![80, 443, 8443, 22]),
        ) {
            let scheme = if secure { "https" } else { "http" };
            let target = HttpTarget::new(scheme, &format!("{host}:{port}")).unwrap();
            let (granted, asked) = (destination(&granted), destination(&asked));
            if granted.covers(&asked) && asked.matches(&target) {
                prop_assert!(granted.matches(&target));
            }
            prop_assert!(granted.covers(&granted));
        }
    }
}
