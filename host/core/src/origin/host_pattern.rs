//! Patterns of host names.

use std::fmt;
use std::str::FromStr;

use super::authority::is_valid_host;

/// A pattern of host names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// `*`: any host.
    Any,
    /// One host: `example.com`, an address, or `[::1]`.
    Exact(String),
    /// `.example.com`: the domain and its subdomains. The text keeps its dot.
    DomainAndSubdomains(String),
}

impl HostPattern {
    /// Whether the pattern matches a host, given without its port.
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

    /// How closely the pattern fits the hosts that it matches. Of several patterns that match a host, the one with the
    /// greatest value fits it best: an exact name before a domain, and a longer domain before a shorter one.
    pub fn specificity(&self) -> usize {
        match self {
            Self::Any => 1,
            Self::DomainAndSubdomains(domain) => 1 + domain.len(),
            Self::Exact(_) => usize::MAX,
        }
    }

    /// Returns how closely the best fitting of some patterns fits a host. Returns `None` if none matches it.
    pub fn best_specificity(patterns: &[Self], host: &str) -> Option<usize> {
        let matching = patterns.iter().filter(|pattern| pattern.matches(host));
        matching.map(Self::specificity).max()
    }

    /// Whether the pattern matches every host that `other` matches.
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

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(name) | Self::DomainAndSubdomains(name) => f.write_str(name),
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
            return Err(format!(
                "{text:?} is not a host: expected `example.com`, `.example.com` (includes subdomains) or `*`, without \
                 a scheme or a port"
            ));
        }
        let lower = text.to_ascii_lowercase();
        Ok(if text.starts_with('.') {
            Self::DomainAndSubdomains(lower)
        } else {
            Self::Exact(lower)
        })
    }
}
