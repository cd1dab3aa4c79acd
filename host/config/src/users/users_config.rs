//! `[users]`: how the host authenticates clients.

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::jwt::{JwtConfig, RawJwt, check_jwt};
use super::webhook::{RawWebhook, WebhookConfig};
use crate::error::{ConfigError, Locator};

/// How the host authenticates clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsersConfig {
    /// Whether a handshake without a known user gets 401.
    pub required: bool,
    /// JSON Web Tokens that the host accepts.
    pub jwt: Option<JwtConfig>,
    /// The site that the host asks if a handshake has no token.
    pub webhook: Option<WebhookConfig>,
}

/// `[users]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawUsers {
    #[serde(default)]
    required: bool,
    jwt: Option<Spanned<RawJwt>>,
    webhook: Option<RawWebhook>,
}

/// Checks the table.
pub(crate) fn check(
    raw: Spanned<RawUsers>,
    folder: &Path,
    location: &Locator<'_>,
) -> Result<UsersConfig, ConfigError> {
    let span = raw.span();
    let RawUsers { required, jwt, webhook } = raw.into_inner();
    let jwt = jwt.map(|jwt| check_jwt(jwt, folder, location)).transpose()?;
    let webhook = webhook.map(|webhook| webhook.check(location)).transpose()?;
    if jwt.is_none() && webhook.is_none() {
        let problem =
            "needs [users.jwt], [users.webhook] or both; remove [users] if clients have no users";
        return Err(location.invalid(span, "users", problem));
    }
    Ok(UsersConfig { required, jwt, webhook })
}
