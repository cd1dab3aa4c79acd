//! `[admin]`: where the operator's tools ask, and who may.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Locator};
use super::listen_address::ListenAddress;
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_core::units::ByteSize;

/// The listener for the operator's tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where it listens; port 0 takes a free one.
    pub listen: ListenAddress,
    /// Names besides its address and those of this machine that it may be asked by, as behind a proxy.
    pub hosts: Vec<String>,
    /// The file of a token that may do everything; made if it is not there.
    pub token_file: PathBuf,
    /// Further tokens.
    pub tokens: Vec<TokenConfig>,
    /// The largest component that may be uploaded.
    pub max_upload: ByteSize,
}

/// A token that somebody has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenConfig {
    /// Whose it is, for the log and the list of versions.
    pub name: String,
    /// The token.
    pub secret: TokenSecret,
    /// What it allows.
    pub scopes: Vec<TokenScope>,
}

/// How a token is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSecret {
    /// It stands in a file.
    File(PathBuf),
    /// Its SHA-256, so that the configuration has no secret.
    Sha256(Sha256Digest),
}

/// What a token allows. Each allows what [`Scope::Read`] does, and [`Scope::Admin`] everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenScope {
    /// To look.
    Read,
    /// To send to groups and channels.
    Publish,
    /// To change which versions are live.
    Deploy,
    /// To let a version have more than the live one has.
    Approve,
    /// Everything: to close connections and to drain the host as well.
    Admin,
}

impl TokenScope {
    /// Whether it allows what asks for `wanted`.
    pub fn allows(self, wanted: Self) -> bool {
        self == Self::Admin || self == wanted || wanted == Self::Read
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Publish => "publish",
            Self::Deploy => "deploy",
            Self::Approve => "approve",
            Self::Admin => "admin",
        }
    }
}

/// Where the operator's tools ask unless told otherwise.
const DEFAULT_ADMIN_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8001);

/// The token's file in the folder of the versions.
const DEFAULT_TOKEN_FILE: &str = "admin.token";

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
    /// `base` is the configuration's folder, `state` that of the versions.
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

/// Checks a list of tokens, which stands under `key`.
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
            let problem = format!("there is another token of the name {:?}", token.name);
            return Err(location.invalid(span, &format!("{key}.name"), problem));
        }
        if let Some(same) = tokens.iter().find(|other| other.secret == token.secret) {
            let problem =
                format!("is the same token as {:?}, of which only one would count", same.name);
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
        let within = |name: &str| format!("{key}.{name}");
        if name.get_ref().is_empty() || name.get_ref().chars().any(char::is_control) {
            let problem = "a token needs a name of visible characters";
            return Err(location.invalid(name.span(), &within("name"), problem));
        }
        if scopes.get_ref().is_empty() {
            let problem = "a token without scopes allows nothing; there are \"read\", \"publish\", \
                           \"deploy\", \"approve\" and \"admin\"";
            return Err(location.invalid(scopes.span(), &within("scopes"), problem));
        }
        let secret = match (file, sha256) {
            (Some(file), None) => TokenSecret::File(base.join(file)),
            (None, Some(digest)) => {
                let sha256 = digest.get_ref().parse().map_err(|_| {
                    let problem = "must be the 64 hexadecimal digits of the token's SHA-256, as \
                                   `printf %s TOKEN | sha256sum` prints them";
                    location.invalid(digest.span(), &within("sha256"), problem)
                })?;
                TokenSecret::Sha256(sha256)
            }
            (None, None) | (Some(_), Some(_)) => {
                let problem = "a token has either `file = \"FILE\"` or `sha256 = \"…\"`";
                return Err(location.invalid(name.span(), key, problem));
            }
        };
        Ok(TokenConfig { name: name.into_inner(), secret, scopes: scopes.into_inner() })
    }
}
