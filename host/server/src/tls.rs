//! TLS with a certificate that may be renewed while the host runs.

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
use narrowboat_websocket::connection::MaybeTlsStream;

/// How handshakes of TLS are answered.
pub(super) struct Tls {
    acceptor: TlsAcceptor,
    certificate: Arc<CurrentCertificate>,
    config: TlsConfig,
}

/// Why there is no certificate to show.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file has none of what is looked for in it.
    #[error("tls.{key}: {}: {source}; it has to be PEM", file.display())]
    InvalidPem {
        /// The configuration's key.
        key: &'static str,
        /// The file it names.
        file: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The file has no certificate in it.
    #[error("tls.cert: {}: there is no certificate in it", .0.display())]
    NoCertificate(PathBuf),
    /// The key is of no kind that is known, or is not the certificate's.
    #[error("tls.key: {}: {source}", file.display())]
    InvalidKey {
        /// The file of the key.
        file: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
}

/// The certificate that clients are shown now.
#[derive(Debug)]
struct CurrentCertificate(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Tls {
    /// Reads the certificate.
    ///
    /// # Errors
    /// What is wrong with it, and in which file.
    pub(super) fn load(files: TlsConfig) -> Result<Self, TlsError> {
        let provider = Arc::new(default_provider());
        let shown = Arc::new(CurrentCertificate(RwLock::new(Arc::new(load_certified_key(
            &files, &provider,
        )?))));
        let unfit = |source| TlsError::InvalidKey { file: files.key.clone(), source };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        // A WebSocket is opened by HTTP/1.1.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificate: shown,
            config: files,
        })
    }

    /// Answers a client's handshake of TLS.
    ///
    /// # Errors
    /// When the client speaks something else, or leaves.
    pub(super) async fn accept(&self, stream: TcpStream) -> std::io::Result<MaybeTlsStream> {
        Ok(MaybeTlsStream::Right(Box::new(self.acceptor.accept(stream).await?)))
    }

    /// The files of the certificate.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        vec![self.config.cert.clone(), self.config.key.clone()]
    }

    /// Shows new clients what the files hold now.
    pub(super) fn reload(&self) {
        match load_certified_key(&self.config, &Arc::new(default_provider())) {
            Ok(certified) => {
                *self.certificate.0.write().unwrap_or_else(PoisonError::into_inner) =
                    Arc::new(certified);
                tracing::info!("new connections are shown the new certificate");
            }
            // Half of a pair is common while it is renewed: the other half follows.
            Err(error) => tracing::warn!("{error}; the certificate stays that it was"),
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
    let unfit = |source| TlsError::InvalidKey { file: files.key.clone(), source };
    CertifiedKey::from_der(chain, key, provider).map_err(unfit)
}
