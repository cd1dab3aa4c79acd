//! A certificate and its key, read from PEM.

use std::io;
use std::path::Path;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::tls_error::TlsError;
use narrowboat_config::{PemSource, TlsConfig};
use narrowboat_core::regular_file::read_regular_file;

/// The largest file of a certificate or a key, in bytes.
const MAX_PEM_BYTES: u64 = 1 << 20;

/// The part of a PEM label of a key that needs a passphrase.
const ENCRYPTED_LABEL: &[u8] = b"ENCRYPTED PRIVATE KEY";

/// Reads a certificate and its key. `table` is named in errors.
///
/// # Errors
/// The problem with one of them, or with both together.
pub(super) fn load_certified_key(
    config: &TlsConfig,
    table: &str,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let cert = PemText::read(table, "cert", &config.cert)?;
    let key = PemText::read(table, "key", &config.key)?;
    CertifiedKey::from_der(cert.certificates()?, key.private_key()?, provider)
        .map_err(|source| TlsError::invalid_pair(config, table, source))
}

/// The text of a certificate or a key, and the key of the configuration that names it.
struct PemText<'a> {
    table: &'a str,
    key: &'static str,
    source: &'a PemSource,
    text: Vec<u8>,
}

impl<'a> PemText<'a> {
    fn read(table: &'a str, key: &'static str, source: &'a PemSource) -> Result<Self, TlsError> {
        let text = match source {
            PemSource::File(file) => read_file(file),
            PemSource::Env(secret) => Ok(secret.expose().as_bytes().to_vec()),
        };
        let text = text.map_err(|error| TlsError::Unreadable {
            table: table.to_owned(),
            key,
            source_of: source.to_string(),
            source: error,
        });
        Ok(Self { table, key, source, text: text? })
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.text).collect();
        match certificates.map_err(|error| self.error(&error))? {
            certificates if certificates.is_empty() => Err(self.error(&pem::Error::NoItemsFound)),
            certificates => Ok(certificates),
        }
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(&self.text).map_err(|error| self.error(&error))
    }

    /// The error for a problem with the text. It quotes nothing of the text, unlike the display of `error`.
    fn error(&self, error: &pem::Error) -> TlsError {
        let (table, key, source_of) = (self.table.to_owned(), self.key, self.source.to_string());
        let problem = match error {
            pem::Error::NoItemsFound => {
                let (missing, hint) = self.missing();
                return TlsError::Missing { table, key, source_of, missing, hint };
            }
            pem::Error::MissingSectionEnd { .. } => "a line `-----END …-----` is missing",
            pem::Error::IllegalSectionStart { .. } => {
                "a line `-----BEGIN …-----` goes on after its end; write each line on its own, with newlines instead of `\\n`"
            }
            pem::Error::Base64Decode(_) => "the lines are not base64",
            _ => "the text cannot be parsed",
        };
        TlsError::InvalidPem { table, key, source_of, problem }
    }

    /// The part that is missing, and the remedy.
    fn missing(&self) -> (&'static str, &'static str) {
        let is_encrypted =
            self.text.windows(ENCRYPTED_LABEL.len()).any(|part| part == ENCRYPTED_LABEL);
        match self.key {
            "cert" => ("certificate", ""),
            _ if is_encrypted => {
                ("private key without a passphrase", "; `openssl pkey` writes the key without it")
            }
            _ => ("private key", ""),
        }
    }
}

fn read_file(file: &Path) -> io::Result<Vec<u8>> {
    read_regular_file(file, MAX_PEM_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use narrowboat_config::Secret;

    /// The error of a key.
    fn key_error(text: &str) -> String {
        let source = PemSource::Env(Secret::from(text.to_owned()));
        let key = PemText::read("tls", "key", &source).unwrap();
        key.private_key().unwrap_err().to_string()
    }

    #[test]
    fn an_error_of_a_key_has_nothing_of_the_key() {
        let whole = "-----BEGIN PRIVATE KEY-----\nTUFSS0VS\n-----END PRIVATE KEY-----\n";
        for (text, words) in [
            (whole.replace('\n', "\\n"), "newlines instead of"),
            (whole.replace("\n-----END PRIVATE KEY-----\n", ""), "END"),
            (whole.replace("TUFS", "!MARKER!"), "base64"),
            (whole.replace("PRIVATE", "ENCRYPTED PRIVATE"), "openssl pkey"),
            ("MARKER".to_owned(), "contains no private key"),
        ] {
            let error = key_error(&text);
            assert!(error.starts_with("tls.key: ") && error.contains(words), "{error}");
            // Neither as text nor as a list of bytes.
            let leaks = ["MARKER", "TUFS", "S0VS", ", 45", "84, 85"];
            assert!(!leaks.iter().any(|leak| error.contains(leak)), "{error}");
        }
    }
}
