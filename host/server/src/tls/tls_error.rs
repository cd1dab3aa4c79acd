//! Errors of certificates and their keys.

use std::io;

use thiserror::Error;

use narrowboat_config::TlsConfig;

/// Why a certificate or its key cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{table}.{key}: {source_of} cannot be read: {source}")]
    Unreadable {
        /// The table of the configuration.
        table: String,
        /// The key of the table.
        key: &'static str,
        /// The file.
        source_of: String,
        /// The error of the system.
        source: io::Error,
    },
    /// A file or a variable is not PEM. The text does not have its contents, which may be a key.
    #[error("{table}.{key}: {source_of}: {problem}; it must be PEM")]
    InvalidPem {
        /// The table of the configuration.
        table: String,
        /// The key of the table.
        key: &'static str,
        /// The file or the variable.
        source_of: String,
        /// The problem with it.
        problem: &'static str,
    },
    /// A file or a variable has no certificate, or no key.
    #[error("{table}.{key}: {source_of} contains no {missing} in PEM{hint}")]
    Missing {
        /// The table of the configuration.
        table: String,
        /// The key of the table.
        key: &'static str,
        /// The file or the variable.
        source_of: String,
        /// The missing part.
        missing: &'static str,
        /// The remedy, if the file contains something else.
        hint: &'static str,
    },
    /// The certificate is not valid.
    #[error("{table}.cert: {source_of}: the certificate cannot be used: {source}")]
    InvalidCertificate {
        /// The table of the configuration.
        table: String,
        /// The file or the variable.
        source_of: String,
        /// The problem with it.
        source: Box<rustls::Error>,
    },
    /// The key is not supported.
    #[error(
        "{table}.key: {source_of}: the private key cannot be used: {source}; it must be RSA, ECDSA (P-256 or P-384) or Ed25519"
    )]
    InvalidKey {
        /// The table of the configuration.
        table: String,
        /// The file or the variable of the key.
        source_of: String,
        /// The problem with it.
        source: Box<rustls::Error>,
    },
    /// The key does not belong to the certificate.
    #[error(
        "{table}.key: the key in {key_source} does not belong to the certificate in {cert_source}; put the key and the certificate of one renewal there, with the server's own certificate first"
    )]
    KeyMismatch {
        /// The table of the configuration.
        table: String,
        /// The file or the variable of the certificate.
        cert_source: String,
        /// The file or the variable of the key.
        key_source: String,
    },
}

impl TlsError {
    /// The error for a certificate and a key that cannot be used together.
    pub(super) fn invalid_pair(config: &TlsConfig, table: &str, source: rustls::Error) -> Self {
        let table = table.to_owned();
        let (cert_source, key_source) = (config.cert.to_string(), config.key.to_string());
        match source {
            rustls::Error::InconsistentKeys(_) => {
                Self::KeyMismatch { table, cert_source, key_source }
            }
            rustls::Error::InvalidCertificate(_) => {
                Self::InvalidCertificate { table, source_of: cert_source, source: Box::new(source) }
            }
            source => Self::InvalidKey { table, source_of: key_source, source: Box::new(source) },
        }
    }
}
