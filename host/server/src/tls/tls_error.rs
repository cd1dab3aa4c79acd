//! Errors of certificates and their keys.

use rustls::pki_types::pem;
use thiserror::Error;

use narrowboat_config::TlsConfig;

/// Why a certificate or its key cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file or a variable cannot be read as PEM.
    #[error("{table}.{key}: {source_of}: {source}; it must be PEM")]
    InvalidPem {
        /// The table of the configuration.
        table: String,
        /// The key of the table.
        key: &'static str,
        /// The file or the variable.
        source_of: String,
        /// The problem with it.
        source: pem::Error,
    },
    /// There is no certificate.
    #[error("{table}.cert: {source_of}: the file contains no certificate")]
    NoCertificate {
        /// The table of the configuration.
        table: String,
        /// The file or the variable.
        source_of: String,
    },
    /// The key is not supported, or does not belong to the certificate.
    #[error("{table}.key: {source_of}: {source}")]
    InvalidKey {
        /// The table of the configuration.
        table: String,
        /// The file or the variable of the key.
        source_of: String,
        /// The problem with it.
        source: rustls::Error,
    },
}

impl TlsError {
    /// The error for a key that cannot be used.
    pub(super) fn invalid_key(config: &TlsConfig, table: &str, source: rustls::Error) -> Self {
        Self::InvalidKey { table: table.to_owned(), source_of: config.key.to_string(), source }
    }
}
