//! `[admin]`: the admin API, and the tokens for it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Locator};
use super::listen_address::ListenAddress;
use super::token::{RawToken, TokenConfig, check_tokens};
use narrowboat_core::units::ByteSize;

/// The admin API.
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

impl AdminConfig {
    /// Returns the files of its tokens.
    pub fn token_files(&self) -> impl Iterator<Item = &Path> {
        let listed = self.tokens.iter().filter_map(|token| token.secret.file());
        [self.token_file.as_path()].into_iter().chain(listed)
    }
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
