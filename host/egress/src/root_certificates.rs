//! The authorities that the system trusts (`SSL_CERT_FILE` names others), by which servers are known that this host asks.

use std::io;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// Their certificates.
///
/// # Errors
/// When there are none.
pub fn load_root_certificates() -> io::Result<Vec<CertificateDer<'static>>> {
    let found = rustls_native_certs::load_native_certs();
    match (found.certs.is_empty(), found.errors.into_iter().next()) {
        (false, _) => Ok(found.certs),
        (true, Some(error)) => Err(io::Error::other(error)),
        (true, None) => Err(io::Error::other("the system trusts no authority")),
    }
}

/// What is asked of a server at an address, in TLS if that begins with `https`.
///
/// # Errors
/// When it does, and there are no authorities.
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
