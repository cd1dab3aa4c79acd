//! `[admin]`: the operators' interface, and the tokens for it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Locator};
use super::listen_address::ListenAddress;
use super::token_scope::TokenScope;
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_core::units::ByteSize;

/// The operators' interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// The address that the interface listens on; with port 0 it takes a free port.
    pub listen: ListenAddress,
    /// Host names that a request to the interface may name, beside IP addresses and `localhost`, in lower case.
    pub hosts: Vec<String>,
    /// The file of a token that allows everything. The host creates it if it does not exist.
    pub token_file: PathBuf,
    /// The tokens of `[[admin.tokens]]`.
    pub tokens: Vec<TokenConfig>,
    /// The largest component in an upload.
    pub max_upload: ByteSize,
}

/// A token for the operators' interface.
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
    /// The SHA-256 of the token, which keeps the secret out of the configuration.
    Sha256(Sha256Digest),
}

/// The default of `listen`.
const DEFAULT_ADMIN_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8001);

/// The default file of the token, in the folder of the versions.
const DEFAULT_TOKEN_FILE: &str = "admin.token";

/// `[admin]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAdmin {
    #[serde(default = "default_listen")]
    listen: ListenAddress,
    #[serde(default)]
    hosts: Vec<String>,
    token_file: Option<PathBuf>,
    #[serde(default)]
    tokens: Vec<Spanned<RawToken>>,
    max_upload: Option<Spanned<ByteSize>>,
}

/// `[[admin.tokens]]` and `[[tenants.NAME.tokens]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawToken {
    name: Spanned<String>,
    file: Option<PathBuf>,
    sha256: Option<Spanned<String>>,
    scopes: Spanned<Vec<TokenScope>>,
}

fn default_listen() -> ListenAddress {
    DEFAULT_ADMIN_LISTEN.into()
}

impl RawAdmin {
    /// Checks the table. `base` is the folder of the configuration, and `state` the folder of the versions.
    pub(super) fn check(
        self,
        base: &Path,
        state: &Path,
        location: &Locator<'_>,
    ) -> Result<AdminConfig, ConfigError> {
        let tokens = check_tokens(self.tokens, "admin.tokens", base, location)?;
        let max_upload = match self.max_upload {
            Some(size) if size.get_ref().bytes() == 0 => {
                let problem = "must be more than 0 bytes";
                return Err(location.invalid(size.span(), "admin.max_upload", problem));
            }
            size => size.map_or(ByteSize::mib(64), Spanned::into_inner),
        };
        Ok(AdminConfig {
            listen: self.listen,
            hosts: self.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            token_file: self
                .token_file
                .map_or_else(|| state.join(DEFAULT_TOKEN_FILE), |file| base.join(file)),
            tokens,
            max_upload,
        })
    }
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
        let Self { name, file, sha256, scopes } = self;
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
        let secret = match (file, sha256) {
            (Some(file), None) => TokenSecret::File(base.join(file)),
            (None, Some(digest)) => {
                let sha256 = digest.get_ref().parse().map_err(|_| {
                    let problem = "must be the 64 hexadecimal digits of the token's SHA-256, as \
                                   `printf %s TOKEN | sha256sum` prints them";
                    location.invalid(digest.span(), &key_of("sha256"), problem)
                })?;
                TokenSecret::Sha256(sha256)
            }
            (None, None) | (Some(_), Some(_)) => {
                let problem =
                    "a token needs either `file = \"FILE\"` or `sha256 = \"…\"`, and not both";
                return Err(location.invalid(name.span(), key, problem));
            }
        };
        Ok(TokenConfig { name: name.into_inner(), secret, scopes: scopes.into_inner() })
    }
}
