//! `[traces]`: where traces are sent.

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::error::{ConfigError, Locator};

/// A collector of traces, and how many of them it gets.
#[derive(Debug, Clone, PartialEq)]
pub struct TracesConfig {
    /// Takes OTLP over HTTP as JSON.
    pub endpoint: Url,
    /// The part of all traces that is sent, more than 0 and at most 1.
    pub sample_ratio: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTraces {
    endpoint: Spanned<String>,
    sample_ratio: Option<Spanned<f64>>,
}

impl RawTraces {
    pub(super) fn check(self, location: &Locator<'_>) -> Result<TracesConfig, ConfigError> {
        let wanted =
            "must be the address of a collector such as \"http://localhost:4318/v1/traces\"";
        let endpoint = Url::parse(self.endpoint.get_ref()).ok();
        let endpoint = endpoint.filter(|url| url.scheme() == "http" && url.has_host());
        let Some(endpoint) = endpoint else {
            return Err(location.invalid(self.endpoint.span(), "traces.endpoint", wanted));
        };
        match self.sample_ratio {
            Some(sample) if !(*sample.get_ref() > 0.0 && *sample.get_ref() <= 1.0) => {
                let problem = "must be more than 0 and at most 1; leave [traces] out for none";
                Err(location.invalid(sample.span(), "traces.sample_ratio", problem))
            }
            sample => {
                let sample = sample.map_or(0.01, Spanned::into_inner);
                Ok(TracesConfig { endpoint, sample_ratio: sample })
            }
        }
    }
}
