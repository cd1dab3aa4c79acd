//! `allowed_hosts` and `allowed_origins`: whom a handshake may name, and from which pages it may come.

use std::str::FromStr;

use toml::Spanned;

use super::error::{ConfigError, Locator};
use narrowboat_core::origin::{HostPattern, OriginPattern};

/// What handshakes may say; what is `None` is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowLists {
    /// The hosts that a request may name.
    pub hosts: Option<Vec<HostPattern>>,
    /// The origins that a handshake may name. One that names none is allowed by `*` only.
    pub origins: Option<Vec<OriginPattern>>,
}

/// A list as it is written.
pub(super) type RawPatternList = Option<Spanned<Vec<Spanned<String>>>>;

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

pub(super) fn parse_patterns<T: FromStr<Err = String>>(
    raw: RawPatternList,
    key: &str,
    location: &Locator<'_>,
) -> Result<Option<Vec<T>>, ConfigError> {
    let Some(raw) = raw else { return Ok(None) };
    if raw.get_ref().is_empty() {
        let problem =
            "an empty list would turn everyone away; leave the key out to let everyone in";
        return Err(location.invalid(raw.span(), key, problem));
    }
    let patterns = raw.into_inner().into_iter().map(|text| {
        text.get_ref()
            .parse()
            .map_err(|problem: String| location.invalid(text.span(), key, problem))
    });
    patterns.collect::<Result<_, _>>().map(Some)
}
