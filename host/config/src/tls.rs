//! `[tls]`: the certificate of the host.

use std::path::Path;

use serde::Deserialize;
use toml::{Spanned, Value};

use super::error::{ConfigError, Locator};
use super::pem_source::PemSource;

/// A certificate and its key. The host reads their files again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate and its chain, as PEM.
    pub cert: PemSource,
    /// Its private key, as PEM.
    pub key: PemSource,
}

/// `[tls]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    cert: Spanned<Value>,
    key: Spanned<Value>,
}

impl RawTls {
    pub(super) fn check(
        self,
        folder: &Path,
        location: &Locator<'_>,
    ) -> Result<TlsConfig, ConfigError> {
        check_pair(&self.cert, &self.key, "tls", folder, location)
    }
}

/// Checks a certificate and its key, which are in `table`.
pub(super) fn check_pair(
    cert: &Spanned<Value>,
    key: &Spanned<Value>,
    table: &str,
    folder: &Path,
    location: &Locator<'_>,
) -> Result<TlsConfig, ConfigError> {
    Ok(TlsConfig {
        cert: PemSource::check(cert, &format!("{table}.cert"), folder, location)?,
        key: PemSource::check(key, &format!("{table}.key"), folder, location)?,
    })
}

impl TlsConfig {
    /// Returns the files, which may change while the host runs.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.cert, &self.key].into_iter().filter_map(PemSource::file)
    }
}
