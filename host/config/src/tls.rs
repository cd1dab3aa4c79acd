//! `[tls]`: the certificate of the host.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The files of the certificate. The host reads them again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate and its chain, as PEM.
    pub cert: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
}

/// `[tls]`.
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
