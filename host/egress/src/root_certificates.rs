//! The certificates of the authorities that the system trusts. The environment variable `SSL_CERT_FILE` names others.

use std::io;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// Loads the certificates of the authorities that the system trusts.
///
/// # Errors
/// If there are none.
pub fn load_root_certificates() -> io::Result<Vec<CertificateDer<'static>>> {
    let found = rustls_native_certs::load_native_certs();
    match (found.certs.is_empty(), found.errors.into_iter().next()) {
        (false, _) => Ok(found.certs),
        (true, Some(error)) => Err(io::Error::other(error)),
        (true, None) => Err(io::Error::other(
            "the system has no root certificates; install ca-certificates, or name a file in SSL_CERT_FILE",
        )),
    }
}

/// Returns the TLS configuration of a client for a URL. Root certificates are loaded only for `https`.
///
/// # Errors
/// If the URL has `https`, and the system has no root certificates.
pub fn tls_config_for(url: &str) -> io::Result<TlsConfig> {
    let is_secure = url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
    let certificates = if is_secure { load_root_certificates()? } else { Vec::new() };
    let roots: Vec<_> =
        certificates.iter().map(|it| Certificate::from_der(it).to_owned()).collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(provider)
        .build())
}
