//! `[[admin.tokens]]` and `[[tenants.NAME.tokens]]`: tokens for the admin API.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Locator};
use super::secret::{Secret, SecretSource};
use super::token_scope::TokenScope;
use narrowboat_core::sha256_digest::Sha256Digest;

/// A token for the admin API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenConfig {
    /// The token's name in the log and in the list of versions.
    pub name: String,
    /// Where the token, or its hash, is.
    pub secret: TokenSecret,
    /// The operations that the token allows; at least one scope.
    pub scopes: Vec<TokenScope>,
}

/// Where a token, or its hash, is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSecret {
    /// The token is in a file.
    File(PathBuf),
    /// The token is in the environment.
    Env(Secret),
    /// The SHA-256 of the token, which keeps the secret out of the configuration.
    Sha256(Sha256Digest),
}

impl TokenSecret {
    /// Returns the file of the token, if it is in one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(file),
            Self::Env(_) | Self::Sha256(_) => None,
        }
    }
}

/// `[[admin.tokens]]` and `[[tenants.NAME.tokens]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawToken {
    name: Spanned<String>,
    file: Option<PathBuf>,
    env: Option<Spanned<String>>,
    sha256: Option<Spanned<String>>,
    scopes: Spanned<Vec<TokenScope>>,
}

/// Checks a list of tokens, which is at `key`.
pub(super) fn check_tokens(
    raw: Vec<Spanned<RawToken>>,
    key: &str,
    base: &Path,
    location: &Locator<'_>,
) -> Result<Vec<TokenConfig>, ConfigError> {
    let mut tokens: Vec<TokenConfig> = Vec::new();
    for raw in raw {
        let span = raw.get_ref().name.span();
        let token = raw.into_inner().check(key, base, location)?;
        if tokens.iter().any(|other| other.name == token.name) {
            let problem =
                format!("another token has the name {:?}; choose another name", token.name);
            return Err(location.invalid(span, &format!("{key}.name"), problem));
        }
        if let Some(same) = tokens.iter().find(|other| other.secret == token.secret) {
            let problem = format!("is the same token as {:?}; remove one of the two", same.name);
            return Err(location.invalid(span, key, problem));
        }
        tokens.push(token);
    }
    Ok(tokens)
}

impl RawToken {
    fn check(
        self,
        key: &str,
        base: &Path,
        location: &Locator<'_>,
    ) -> Result<TokenConfig, ConfigError> {
        let Self { name, file, env, sha256, scopes } = self;
        let key_of = |name: &str| format!("{key}.{name}");
        if name.get_ref().is_empty() || name.get_ref().chars().any(char::is_control) {
            let problem = "must have at least 1 character and no control characters";
            return Err(location.invalid(name.span(), &key_of("name"), problem));
        }
        if scopes.get_ref().is_empty() {
            let problem = "must have at least one of \"read\", \"publish\", \"deploy\", \"approve\" and \
                           \"admin\"";
            return Err(location.invalid(scopes.span(), &key_of("scopes"), problem));
        }
        let secret = match (file, env, sha256) {
            (Some(file), None, None) => TokenSecret::File(base.join(file)),
            (None, Some(variable), None) => {
                let source = SecretSource::Env(variable.get_ref().clone());
                let secret = location.secrets.secret(source).map_err(|error| {
                    location.invalid(variable.span(), &key_of("env"), error.to_string())
                })?;
                TokenSecret::Env(secret)
            }
            (None, None, Some(digest)) => {
                let sha256 = digest.get_ref().parse().map_err(|_| {
                    let problem = "must be the 64 hexadecimal digits of the token's SHA-256, as \
                                   `printf %s TOKEN | sha256sum` prints them";
                    location.invalid(digest.span(), &key_of("sha256"), problem)
                })?;
                TokenSecret::Sha256(sha256)
            }
            _ => {
                let problem = "a token needs exactly one of `file = \"FILE\"`, `env = \"NAME\"` and \
                               `sha256 = \"…\"`";
                return Err(location.invalid(name.span(), key, problem));
            }
        };
        Ok(TokenConfig { name: name.into_inner(), secret, scopes: scopes.into_inner() })
    }
}
