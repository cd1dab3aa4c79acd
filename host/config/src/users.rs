//! `[users]`: how the host authenticates clients.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::error::{ConfigError, Locator};
use narrowboat_core::units::DurationSetting;

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

/// A site that the host asks for the user of a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// The URL, which the host requests with GET.
    pub url: Url,
    /// The headers of the handshake that the host passes on, in lower case.
    pub headers: Vec<String>,
    /// The longest time for a response.
    pub timeout: DurationSetting,
}

/// The JSON Web Tokens (RFC 7519) that the host accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtConfig {
    /// The key that verifies a token.
    pub key_file: JwtKeyFile,
    /// The algorithms that a signature may use; at least one.
    pub algorithms: Vec<JwtAlgorithm>,
    /// The value that `aud` must have; `None`: a token with `aud` is refused.
    pub audience: Option<String>,
    /// The value that `iss` must have; `None`: any.
    pub issuer: Option<String>,
    /// The places of a handshake that may have a token, in the order in which the host looks.
    pub token_locations: Vec<TokenLocation>,
    /// The tolerated clock difference for `exp` and `nbf`.
    pub leeway: DurationSetting,
}

/// A file of keys. The host reads it again when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtKeyFile {
    /// A secret that the signer has too, as bytes. Whitespace around it does not count.
    Secret(PathBuf),
    /// A public key, as PEM.
    PublicKey(PathBuf),
    /// A JSON Web Key Set (RFC 7517, section 5).
    Jwks(PathBuf),
}

/// An algorithm that signs tokens (RFC 7518, section 3.1, and RFC 8037). `none` is not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256 and a secret.
    #[serde(rename = "HS256")]
    Hs256,
    /// RSA with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on the curve P-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519, which is also a name of the algorithm (RFC 9864).
    #[serde(rename = "EdDSA", alias = "Ed25519")]
    EdDsa,
}

impl JwtAlgorithm {
    /// Returns the algorithm with a registered name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "HS256" => Some(Self::Hs256),
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }

    /// Returns the registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// A place of a handshake that may have a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenLocation {
    /// `Authorization: Bearer TOKEN`.
    Header,
    /// A cookie of this name.
    Cookie(String),
    /// A query parameter of this name.
    Query(String),
    /// A subprotocol `bearer.TOKEN`, for browsers, whose pages cannot set headers. Consumers do not see it.
    Subprotocol,
}

impl JwtKeyFile {
    /// Returns the file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Secret(file) | Self::PublicKey(file) | Self::Jwks(file) => file,
        }
    }

    /// Returns the key of `[users.jwt]` that names the file.
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
                "{text:?} is not a place of a token; write \"header\", \"cookie:NAME\", \"query:NAME\" or \"subprotocol\""
            )),
        }
    }
}

/// `[users]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUsers {
    #[serde(default)]
    required: bool,
    jwt: Option<Spanned<RawJwt>>,
    webhook: Option<RawWebhook>,
}

/// `[users.webhook]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWebhook {
    url: Spanned<String>,
    headers: Option<Spanned<Vec<String>>>,
    timeout: Option<DurationSetting>,
}

/// `[users.jwt]`.
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

/// Checks the table.
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
        let problem =
            "needs [users.jwt], [users.webhook] or both; remove [users] if clients have no users";
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
            let problem =
                "must be an address with http or https, such as \"http://127.0.0.1:8000/who/\"";
            return Err(location.invalid(self.url.span(), "users.webhook.url", problem));
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

/// Checks `[users.jwt]`.
fn check_jwt(
    raw: Spanned<RawJwt>,
    folder: &Path,
    location: &Locator<'_>,
) -> Result<JwtConfig, ConfigError> {
    let span = raw.span();
    let RawJwt { secret_file, key_file, jwks_file, algorithms, audience, issuer, from, leeway } =
        raw.into_inner();
    let key_file = match (secret_file, key_file, jwks_file) {
        (Some(file), None, None) => JwtKeyFile::Secret(folder.join(file)),
        (None, Some(file), None) => JwtKeyFile::PublicKey(folder.join(file)),
        (None, None, Some(file)) => JwtKeyFile::Jwks(folder.join(file)),
        _ => {
            let problem = "needs exactly one of `secret_file`, `key_file` and `jwks_file`";
            return Err(location.invalid(span, "users.jwt", problem));
        }
    };
    check_algorithms(&key_file, &algorithms, location)?;
    Ok(JwtConfig {
        key_file,
        algorithms: algorithms.into_inner(),
        audience,
        issuer,
        token_locations: parse_token_locations(from, location)?,
        leeway: leeway.unwrap_or(DurationSetting::from_secs(30)),
    })
}

/// Checks that the algorithms fit the key. Otherwise a public key could serve as a secret, and anybody could sign.
fn check_algorithms(
    key_file: &JwtKeyFile,
    algorithms: &Spanned<Vec<JwtAlgorithm>>,
    location: &Locator<'_>,
) -> Result<(), ConfigError> {
    let is_secret = matches!(key_file, JwtKeyFile::Secret(_));
    let fits = |algorithm: &JwtAlgorithm| (*algorithm == JwtAlgorithm::Hs256) == is_secret;
    if !algorithms.get_ref().is_empty() && algorithms.get_ref().iter().all(fits) {
        return Ok(());
    }
    let problem = match key_file {
        JwtKeyFile::Secret(_) => "must be [\"HS256\"], the only algorithm with a secret",
        JwtKeyFile::PublicKey(_) | JwtKeyFile::Jwks(_) => {
            "must be some of \"RS256\", \"ES256\", \"EdDSA\""
        }
    };
    Err(location.invalid(algorithms.span(), "users.jwt.algorithms", problem))
}

/// Parses `from`.
fn parse_token_locations(
    from: Option<Spanned<Vec<Spanned<String>>>>,
    location: &Locator<'_>,
) -> Result<Vec<TokenLocation>, ConfigError> {
    let Some(from) = from else { return Ok(vec![TokenLocation::Header]) };
    if from.get_ref().is_empty() {
        let problem = "must name a place of a token; remove the key for [\"header\"]";
        return Err(location.invalid(from.span(), "users.jwt.from", problem));
    }
    let locations = from.into_inner().into_iter().map(|text| {
        let invalid = |problem: String| location.invalid(text.span(), "users.jwt.from", problem);
        text.get_ref().parse().map_err(invalid)
    });
    locations.collect()
}
