//! TLS, with a certificate that may be renewed while the host runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use narrowboat_config::TlsConfig;
use narrowboat_websocket::connection::{ClientStream, WrappedStream};

/// Performs TLS handshakes with the current certificate.
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    certificate: Arc<CurrentCertificate>,
    config: TlsConfig,
}

/// Why the certificate or its key cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("tls.{key}: {}: {source}; the file must be PEM", file.display())]
    InvalidPem {
        /// The key of the configuration that names the file.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// The problem with the file.
        source: pem::Error,
    },
    /// The file contains no certificate.
    #[error("tls.cert: {}: the file contains no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// The key is not supported, or does not belong to the certificate.
    #[error("tls.key: {}: {source}", file.display())]
    InvalidKey {
        /// The file of the key.
        file: PathBuf,
        /// The problem with the file.
        source: rustls::Error,
    },
}

/// The certificate that new connections get.
#[derive(Debug)]
struct CurrentCertificate(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Tls {
    /// Reads the certificate and its key.
    ///
    /// # Errors
    /// The problem with them, and the file.
    pub(crate) fn load(files: TlsConfig) -> Result<Self, TlsError> {
        let provider = Arc::new(default_provider());
        let certificate = Arc::new(CurrentCertificate(RwLock::new(Arc::new(load_certified_key(
            &files, &provider,
        )?))));
        let invalid_key = |source| TlsError::InvalidKey { file: files.key.clone(), source };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(invalid_key)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as Arc<dyn ResolvesServerCert>);
        // WebSocket handshakes use HTTP/1.1.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate, config: files })
    }

    /// Performs the TLS handshake with a client.
    ///
    /// # Errors
    /// If the handshake fails or the client disconnects.
    pub(crate) async fn accept(&self, stream: TcpStream) -> std::io::Result<ClientStream> {
        let stream = Box::new(self.acceptor.accept(stream).await?);
        Ok(ClientStream::Right(WrappedStream::Left(stream)))
    }

    /// The files of the certificate and its key.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        vec![self.config.cert.clone(), self.config.key.clone()]
    }

    /// Reads the files again, for new connections. If they cannot be used, the current certificate stays.
    pub(crate) fn reload(&self) {
        match load_certified_key(&self.config, &Arc::new(default_provider())) {
            Ok(certified) => {
                *self.certificate.0.write().unwrap_or_else(PoisonError::into_inner) =
                    Arc::new(certified);
                tracing::info!("certificate reloaded");
            }
            // Common during a renewal: one of the two files is new, and the other one follows.
            Err(error) => tracing::warn!("{error}; the certificate stays as it was"),
        }
    }
}

fn load_certified_key(
    files: &TlsConfig,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let unreadable = |key, file: &Path| {
        let file = file.to_owned();
        move |source| TlsError::InvalidPem { key, file, source }
    };
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable("cert", &files.cert))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(files.cert.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(unreadable("key", &files.key))?;
    let invalid_key = |source| TlsError::InvalidKey { file: files.key.clone(), source };
    CertifiedKey::from_der(chain, key, provider).map_err(invalid_key)
}
