//! `[traces]`: the collector that the host sends traces to.

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::error::{ConfigError, Locator};

/// The collector that the host sends traces to.
#[derive(Debug, Clone, PartialEq)]
pub struct TracesConfig {
    /// The address of the collector, which accepts OTLP over HTTP as JSON.
    pub endpoint: Url,
    /// The share of all traces that the host sends: more than 0 and at most 1.
    pub sample_ratio: f64,
}

/// `[traces]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTraces {
    endpoint: Spanned<String>,
    sample_ratio: Option<Spanned<f64>>,
}

/// The share of traces that the host sends if the file does not set one.
const DEFAULT_SAMPLE_RATIO: f64 = 0.01;

impl RawTraces {
    pub(super) fn check(self, location: &Locator<'_>) -> Result<TracesConfig, ConfigError> {
        let problem =
            "must be the address of a collector such as \"http://localhost:4318/v1/traces\"";
        let endpoint = Url::parse(self.endpoint.get_ref()).ok();
        let endpoint = endpoint.filter(|url| url.scheme() == "http" && url.has_host());
        let Some(endpoint) = endpoint else {
            return Err(location.invalid(self.endpoint.span(), "traces.endpoint", problem));
        };
        match self.sample_ratio {
            Some(ratio) if !(*ratio.get_ref() > 0.0 && *ratio.get_ref() <= 1.0) => {
                let problem =
                    "must be more than 0 and at most 1; remove [traces] to send no traces";
                Err(location.invalid(ratio.span(), "traces.sample_ratio", problem))
            }
            ratio => {
                let sample_ratio = ratio.map_or(DEFAULT_SAMPLE_RATIO, Spanned::into_inner);
                Ok(TracesConfig { endpoint, sample_ratio })
            }
        }
    }
}
