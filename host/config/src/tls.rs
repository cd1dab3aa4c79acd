//! `[tls]`: the certificate that browsers are shown.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The files of a certificate; they may change while the host runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate and those that lead to its authority, as PEM.
    pub cert: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    cert: PathBuf,
    key: PathBuf,
}

impl RawTls {
    pub(super) fn into_config(self, folder: &Path) -> TlsConfig {
        TlsConfig { cert: folder.join(self.cert), key: folder.join(self.key) }
    }
}
