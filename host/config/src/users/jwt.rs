//! `[users.jwt]`: the tokens that the host accepts.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Spanned, Value};

use super::{JwtAlgorithm, JwtKeyFile, TokenLocation};
use crate::error::{ConfigError, Locator};
use crate::secret::SecretSource;
use narrowboat_core::units::DurationSetting;

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

/// `[users.jwt]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawJwt {
    secret: Option<Spanned<Value>>,
    secret_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    jwks_file: Option<PathBuf>,
    algorithms: Spanned<Vec<JwtAlgorithm>>,
    audience: Option<String>,
    issuer: Option<String>,
    from: Option<Spanned<Vec<Spanned<String>>>>,
    leeway: Option<DurationSetting>,
}

/// Checks `[users.jwt]`.
pub(super) fn check_jwt(
    raw: Spanned<RawJwt>,
    folder: &Path,
    location: &Locator<'_>,
) -> Result<JwtConfig, ConfigError> {
    let span = raw.span();
    let RawJwt {
        secret,
        secret_file,
        key_file,
        jwks_file,
        algorithms,
        audience,
        issuer,
        from,
        leeway,
    } = raw.into_inner();
    let key_file = match (secret, secret_file, key_file, jwks_file) {
        (Some(secret), None, None, None) => parse_reference(&secret, folder, location)?,
        (None, Some(file), None, None) => JwtKeyFile::Secret(folder.join(file)),
        (None, None, Some(file), None) => JwtKeyFile::PublicKey(folder.join(file)),
        (None, None, None, Some(file)) => JwtKeyFile::Jwks(folder.join(file)),
        _ => {
            let problem =
                "needs exactly one of `secret`, `secret_file`, `key_file` and `jwks_file`";
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

/// Parses `secret`, which is a reference.
fn parse_reference(
    secret: &Spanned<Value>,
    folder: &Path,
    location: &Locator<'_>,
) -> Result<JwtKeyFile, ConfigError> {
    let key = "users.jwt.secret";
    match secret.get_ref().as_table().and_then(|table| SecretSource::parse(table, folder)) {
        Some(SecretSource::File(file)) => Ok(JwtKeyFile::Secret(file)),
        Some(SecretSource::Env(_)) => {
            let secret = location.parse_secret(secret.get_ref(), secret.span(), key)?;
            Ok(JwtKeyFile::SecretVariable(secret))
        }
        _ => {
            let problem = "must be { env = \"NAME\" } or { file = \"PATH\" }";
            Err(location.invalid(secret.span(), key, problem))
        }
    }
}

/// Checks that the algorithms fit the key. Otherwise a public key could serve as a secret, and anybody could sign.
fn check_algorithms(
    key_file: &JwtKeyFile,
    algorithms: &Spanned<Vec<JwtAlgorithm>>,
    location: &Locator<'_>,
) -> Result<(), ConfigError> {
    let is_secret = matches!(key_file, JwtKeyFile::Secret(_) | JwtKeyFile::SecretVariable(_));
    let fits = |algorithm: &JwtAlgorithm| (*algorithm == JwtAlgorithm::Hs256) == is_secret;
    if !algorithms.get_ref().is_empty() && algorithms.get_ref().iter().all(fits) {
        return Ok(());
    }
    let problem = match key_file {
        JwtKeyFile::Secret(_) | JwtKeyFile::SecretVariable(_) => {
            "must be [\"HS256\"], the only algorithm with a secret"
        }
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
