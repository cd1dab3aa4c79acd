//! `allowed_hosts` and `allowed_origins`: the hosts and origins that a handshake may name.

use std::str::FromStr;

use toml::Spanned;

use super::error::{ConfigError, Locator};
use narrowboat_core::origin::{HostPattern, OriginPattern};

/// The hosts and origins that a handshake may name; `None`: any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowLists {
    /// The host names that a request may name.
    pub hosts: Option<Vec<HostPattern>>,
    /// The origins that a handshake may name. Only `*` allows a handshake without an origin.
    pub origins: Option<Vec<OriginPattern>>,
}

/// A list of patterns as the file has it.
pub(super) type RawPatternList = Option<Spanned<Vec<Spanned<String>>>>;

/// Checks both lists.
pub(super) fn check(
    hosts: RawPatternList,
    origins: RawPatternList,
    location: &Locator<'_>,
) -> Result<AllowLists, ConfigError> {
    Ok(AllowLists {
        hosts: parse_patterns(hosts, "allowed_hosts", location)?,
        origins: parse_patterns(origins, "allowed_origins", location)?,
    })
}

/// Parses a list of patterns, which is at `key`.
pub(super) fn parse_patterns<T: FromStr<Err = String>>(
    raw: RawPatternList,
    key: &str,
    location: &Locator<'_>,
) -> Result<Option<Vec<T>>, ConfigError> {
    let Some(raw) = raw else { return Ok(None) };
    if raw.get_ref().is_empty() {
        let problem = "an empty list would refuse every request; add a pattern, or remove the key to allow all";
        return Err(location.invalid(raw.span(), key, problem));
    }
    let patterns = raw.into_inner().into_iter().map(|text| {
        text.get_ref()
            .parse()
            .map_err(|problem: String| location.invalid(text.span(), key, problem))
    });
    patterns.collect::<Result<_, _>>().map(Some)
}
