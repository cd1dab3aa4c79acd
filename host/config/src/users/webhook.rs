//! `[users.webhook]`: the site that the host asks for the user of a handshake.

use serde::Deserialize;
use toml::{Spanned, Value};

use super::webhook_url::WebhookUrl;
use crate::error::{ConfigError, Locator};
use narrowboat_core::units::DurationSetting;

/// A site that the host asks for the user of a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// The URL, which the host requests with GET.
    pub url: WebhookUrl,
    /// The headers of the handshake that the host passes on, in lower case.
    pub headers: Vec<String>,
    /// The longest time for a response.
    pub timeout: DurationSetting,
}

/// `[users.webhook]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWebhook {
    url: Spanned<Value>,
    headers: Option<Spanned<Vec<String>>>,
    timeout: Option<DurationSetting>,
}

impl RawWebhook {
    /// Checks the table.
    pub(super) fn check(self, location: &Locator<'_>) -> Result<WebhookConfig, ConfigError> {
        let key = "users.webhook.url";
        let url = location.parse_secret(self.url.get_ref(), self.url.span(), key)?;
        let Some(url) = WebhookUrl::parse(url) else {
            let problem =
                "must be an address with http or https, such as \"http://127.0.0.1:8000/who/\"";
            return Err(location.invalid(self.url.span(), key, problem));
        };
        let headers = match self.headers {
            None => vec!["cookie".to_owned()],
            Some(names) if !names.get_ref().iter().all(|name| is_header_name(name)) => {
                let problem =
                    "must be a list of header names such as [\"cookie\", \"authorization\"]";
                return Err(location.invalid(names.span(), "users.webhook.headers", problem));
            }
            Some(names) => {
                names.into_inner().iter().map(|name| name.to_ascii_lowercase()).collect()
            }
        };
        Ok(WebhookConfig {
            url,
            headers,
            timeout: self.timeout.unwrap_or(DurationSetting::from_secs(2)),
        })
    }
}

/// Returns whether a text is a token of RFC 9110, section 5.6.2.
fn is_header_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}
