//! `[http_client]`: limits of the HTTP requests of plugins.

use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Locator};
use narrowboat_core::units::{ByteSize, DurationSetting};

/// Limits of the HTTP requests of plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestsConfig {
    /// Time from the lookup of the name to the connection, TLS included.
    pub connect_timeout: DurationSetting,
    /// Time from the connection to the head of the response.
    pub first_byte_timeout: DurationSetting,
    /// Time from one part of the response to the next.
    pub between_bytes_timeout: DurationSetting,
    /// Time from the start of the request to the end of the response.
    pub total_timeout: DurationSetting,
    /// The longest body of a request.
    pub max_request: ByteSize,
    /// The longest body of a response.
    pub max_response: ByteSize,
    /// Header fields of a request, and of a response.
    pub max_headers: usize,
    /// Requests that one call may send.
    pub max_requests_per_call: u32,
}

impl Default for RequestsConfig {
    fn default() -> Self {
        Self {
            connect_timeout: DurationSetting::from_secs(5),
            first_byte_timeout: DurationSetting::from_secs(10),
            between_bytes_timeout: DurationSetting::from_secs(10),
            total_timeout: DurationSetting::from_secs(20),
            max_request: ByteSize::mib(1),
            max_response: ByteSize::mib(4),
            max_headers: 100,
            max_requests_per_call: 16,
        }
    }
}

/// The largest value of `max_headers`.
const MAX_HEADERS: usize = 1_000;

/// Checks the table.
pub(super) fn check(
    raw: Spanned<RequestsConfig>,
    location: &Locator<'_>,
) -> Result<RequestsConfig, ConfigError> {
    let (span, requests) = (raw.span(), raw.into_inner());
    let timeouts = [
        ("connect_timeout", requests.connect_timeout),
        ("first_byte_timeout", requests.first_byte_timeout),
        ("between_bytes_timeout", requests.between_bytes_timeout),
        ("total_timeout", requests.total_timeout),
    ];
    let too_short = timeouts.into_iter().find(|(_, time)| *time < DurationSetting::from_millis(1));
    let sizes = [("max_request", requests.max_request), ("max_response", requests.max_response)];
    let empty = sizes.into_iter().find(|(_, size)| size.bytes() == 0);
    let invalid = match (too_short, empty) {
        (Some((key, _)), _) => Some((key, "must be at least 1ms".to_owned())),
        (_, Some((key, _))) => Some((key, "must be more than 0 bytes".to_owned())),
        _ if !(1..=MAX_HEADERS).contains(&requests.max_headers) => {
            Some(("max_headers", format!("must be 1 to {MAX_HEADERS}")))
        }
        _ => None,
    };
    match invalid {
        Some((key, problem)) => {
            let place = location.find_key(span, key);
            Err(location.invalid(place, &format!("http_client.{key}"), problem))
        }
        None => Ok(requests),
    }
}
