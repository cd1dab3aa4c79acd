//! `[users]`: how the host learns who somebody is.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::error::{ConfigError, Locator};
use narrowboat_core::units::DurationSetting;

/// How the host learns who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsersConfig {
    /// A handshake of which nobody is known is answered 401.
    pub required: bool,
    /// By tokens that others have signed.
    pub jwt: Option<JwtConfig>,
    /// By asking a site, where a handshake has no token.
    pub webhook: Option<WebhookConfig>,
}

/// A site that is asked who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// What is asked for, with GET.
    pub url: Url,
    /// The headers of a handshake that are passed on, in lower case.
    pub headers: Vec<String>,
    /// How long the answer may take.
    pub timeout: DurationSetting,
}

/// Tokens that are believed (RFC 7519).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtConfig {
    /// With what they are checked.
    pub key_file: JwtKeyFile,
    /// The only ways in which they may be signed; never none.
    pub algorithms: Vec<JwtAlgorithm>,
    /// Whom they have to be for (`aud`). Without it a token that is for somebody is not taken.
    pub audience: Option<String>,
    /// Who has to have made them (`iss`).
    pub issuer: Option<String>,
    /// Where a handshake may have one, looked at in this order.
    pub token_locations: Vec<TokenLocation>,
    /// What clocks may differ by.
    pub leeway: DurationSetting,
}

/// A file of keys; it may change while the host runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtKeyFile {
    /// A secret that whoever signs has too, as bytes; whitespace around it does not count.
    Secret(PathBuf),
    /// A public key as PEM.
    PublicKey(PathBuf),
    /// A set of public keys (RFC 7517, section 5).
    Jwks(PathBuf),
}

/// How a token is signed (RFC 7518, section 3.1, and RFC 8037). There is no `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum JwtAlgorithm {
    /// HMAC, by a secret.
    #[serde(rename = "HS256")]
    Hs256,
    /// RSA.
    #[serde(rename = "RS256")]
    Rs256,
    /// The curve P-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519, which goes by that name too (RFC 9864).
    #[serde(rename = "EdDSA", alias = "Ed25519")]
    EdDsa,
}

impl JwtAlgorithm {
    /// The one that a name is registered for.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "HS256" => Some(Self::Hs256),
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }

    /// The name that it is registered by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// Where a handshake may have a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenLocation {
    /// `Authorization: Bearer TOKEN_PREFIX`.
    Header,
    /// A cookie of this name.
    Cookie(String),
    /// A parameter of this name in the query.
    Query(String),
    /// A subprotocol `bearer.TOKEN_PREFIX`, for browsers, whose pages can set nothing else. Consumers are not offered it.
    Subprotocol,
}

impl JwtKeyFile {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Secret(file) | Self::PublicKey(file) | Self::Jwks(file) => file,
        }
    }

    /// The configuration's key that names it.
    pub fn config_key(&self) -> &'static str {
        match self {
            Self::Secret(_) => "secret_file",
            Self::PublicKey(_) => "key_file",
            Self::Jwks(_) => "jwks_file",
        }
    }
}

impl FromStr for TokenLocation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "header" => Ok(Self::Header),
            None if text == "subprotocol" => Ok(Self::Subprotocol),
            Some(("cookie", name)) if !name.is_empty() => Ok(Self::Cookie(name.to_owned())),
            Some(("query", name)) if !name.is_empty() => Ok(Self::Query(name.to_owned())),
            _ => Err(format!(
                "{text:?} is no place: \"header\", \"cookie:NAME\", \"query:NAME\", \"subprotocol\""
            )),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUsers {
    #[serde(default)]
    required: bool,
    jwt: Option<Spanned<RawJwt>>,
    webhook: Option<RawWebhook>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWebhook {
    url: Spanned<String>,
    headers: Option<Spanned<Vec<String>>>,
    timeout: Option<DurationSetting>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawJwt {
    secret_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    jwks_file: Option<PathBuf>,
    algorithms: Spanned<Vec<JwtAlgorithm>>,
    audience: Option<String>,
    issuer: Option<String>,
    from: Option<Spanned<Vec<Spanned<String>>>>,
    leeway: Option<DurationSetting>,
}

pub(super) fn check(
    raw: Spanned<RawUsers>,
    folder: &Path,
    location: &Locator<'_>,
) -> Result<UsersConfig, ConfigError> {
    let span = raw.span();
    let RawUsers { required, jwt, webhook } = raw.into_inner();
    let jwt = jwt.map(|jwt| check_jwt(jwt, folder, location)).transpose()?;
    let webhook = webhook.map(|webhook| webhook.check(location)).transpose()?;
    if jwt.is_none() && webhook.is_none() {
        let problem = "needs [users.jwt], [users.webhook] or both";
        return Err(location.invalid(span, "users", problem));
    }
    Ok(UsersConfig { required, jwt, webhook })
}

impl RawWebhook {
    fn check(self, location: &Locator<'_>) -> Result<WebhookConfig, ConfigError> {
        let url = Url::parse(self.url.get_ref()).ok();
        let Some(url) =
            url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        else {
            let problem = "must be an address such as \"http://127.0.0.1:8000/who/\"";
            return Err(location.invalid(self.url.span(), "users.webhook.url", problem));
        };
        let headers = match self.headers {
            None => vec!["cookie".to_owned()],
            Some(names) if !names.get_ref().iter().all(|name| is_header_name(name)) => {
                let problem = "has what is no name of a header";
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

/// RFC 9110, section 5.6.2.
fn is_header_name(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(token)
}

fn check_jwt(
    raw: Spanned<RawJwt>,
    folder: &Path,
    location: &Locator<'_>,
) -> Result<JwtConfig, ConfigError> {
    let span = raw.span();
    let RawJwt { secret_file, key_file, jwks_file, algorithms, audience, issuer, from, leeway } =
        raw.into_inner();
    let keys = match (secret_file, key_file, jwks_file) {
        (Some(file), None, None) => JwtKeyFile::Secret(folder.join(file)),
        (None, Some(file), None) => JwtKeyFile::PublicKey(folder.join(file)),
        (None, None, Some(file)) => JwtKeyFile::Jwks(folder.join(file)),
        _ => {
            let problem = "needs one of `secret_file`, `key_file` and `jwks_file`";
            return Err(location.invalid(span, "users.jwt", problem));
        }
    };
    check_algorithms(&keys, &algorithms, location)?;
    Ok(JwtConfig {
        key_file: keys,
        algorithms: algorithms.into_inner(),
        audience,
        issuer,
        token_locations: parse_token_locations(from, location)?,
        leeway: leeway.unwrap_or(DurationSetting::from_secs(30)),
    })
}

/// Anybody could sign with a public key, were it taken for a secret.
fn check_algorithms(
    keys: &JwtKeyFile,
    algorithms: &Spanned<Vec<JwtAlgorithm>>,
    location: &Locator<'_>,
) -> Result<(), ConfigError> {
    let secret = matches!(keys, JwtKeyFile::Secret(_));
    let fits = |algorithm: &JwtAlgorithm| (*algorithm == JwtAlgorithm::Hs256) == secret;
    if !algorithms.get_ref().is_empty() && algorithms.get_ref().iter().all(fits) {
        return Ok(());
    }
    let problem = match keys {
        JwtKeyFile::Secret(_) => "must be [\"HS256\"], the one by a secret",
        JwtKeyFile::PublicKey(_) | JwtKeyFile::Jwks(_) => {
            "must be some of \"RS256\", \"ES256\", \"EdDSA\""
        }
    };
    Err(location.invalid(algorithms.span(), "users.jwt.algorithms", problem))
}

fn parse_token_locations(
    from: Option<Spanned<Vec<Spanned<String>>>>,
    location: &Locator<'_>,
) -> Result<Vec<TokenLocation>, ConfigError> {
    let Some(from) = from else { return Ok(vec![TokenLocation::Header]) };
    if from.get_ref().is_empty() {
        let problem = "names no place; leave it out for [\"header\"]";
        return Err(location.invalid(from.span(), "users.jwt.from", problem));
    }
    let places = from.into_inner().into_iter().map(|text| {
        let wrong = |problem: String| location.invalid(text.span(), "users.jwt.from", problem);
        text.get_ref().parse().map_err(wrong)
    });
    places.collect()
}
