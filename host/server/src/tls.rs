//! TLS, with certificates that may be renewed while the host runs.

mod certificate_set;
mod key_pair;
mod tenant_names;
mod tls_error;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use certificate_set::CertificateSet;
use key_pair::load_certified_key;
pub(crate) use tenant_names::TenantNames;
pub use tls_error::TlsError;

use narrowboat_config::TlsConfig;
use narrowboat_core::name::Tenant;
use narrowboat_websocket::connection::{ClientStream, WrappedStream};

/// Performs TLS handshakes with the current certificates: that of the tenant whose name the client sends, or else that of
/// the host.
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<CurrentCertificates>,
    /// The certificate of the host.
    config: TlsConfig,
    /// The names and certificates of tenants, as the last configuration has them.
    tenants: Mutex<Vec<TenantNames>>,
}

/// A connection whose TLS handshake has succeeded.
pub(crate) struct TlsConnection {
    pub(crate) stream: ClientStream,
    /// The tenant that has a certificate for the name that the client sent. Its requests are for this tenant alone.
    pub(crate) tenant: Option<Tenant>,
}

/// The certificates that new connections get.
#[derive(Debug)]
struct CurrentCertificates(RwLock<Arc<CertificateSet>>);

impl CurrentCertificates {
    fn get(&self) -> Arc<CertificateSet> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, set: CertificateSet) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
    }
}

impl ResolvesServerCert for CurrentCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get().certificate(hello.server_name()))
    }
}

impl Tls {
    /// Reads the certificate of the host and its key.
    ///
    /// # Errors
    /// The problem with them, and the file.
    pub(crate) fn load(config: TlsConfig) -> Result<Self, TlsError> {
        let provider = Arc::new(default_provider());
        let certificate = Arc::new(load_certified_key(&config, "tls", &provider)?);
        let current = CurrentCertificates(RwLock::new(Arc::new(CertificateSet::new(certificate))));
        let current = Arc::new(current);
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| TlsError::invalid_pair(&config, "tls", source))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        // WebSocket handshakes use HTTP/1.1.
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(server));
        Ok(Self { acceptor, current, config, tenants: Mutex::default() })
    }

    /// Performs the TLS handshake with a client.
    ///
    /// # Errors
    /// If the handshake fails or the client disconnects.
    pub(crate) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsConnection> {
        let stream = Box::new(self.acceptor.accept(stream).await?);
        let (_, session) = stream.get_ref();
        let name = session.server_name();
        let tenant = name.and_then(|name| self.current.get().tenant(name).cloned());
        Ok(TlsConnection { stream: ClientStream::Right(WrappedStream::Left(stream)), tenant })
    }

    /// The files of the certificates and their keys.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let tls = tenants.iter().filter_map(|names| names.tls.as_ref());
        let of_tenants = tls.flat_map(|tls| tls.certificate.files());
        self.config.files().chain(of_tenants).map(ToOwned::to_owned).collect()
    }

    /// Serves the certificates of these tenants from now on, and no others. A tenant whose certificate cannot be used keeps
    /// the one from before, or the host's. Returns the problems, which the log has too. Blocks on the disk.
    pub(crate) fn set_tenants(&self, names: Vec<TenantNames>) -> Vec<String> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current.get();
        let (set, problems) = before.with_tenants(&names, before.host());
        self.current.replace(set);
        *tenants = names;
        problems
    }

    /// Reads the files again, for new connections. A certificate that cannot be used stays as it was, which is common during
    /// a renewal: one of the two files is new, and the other one follows. Returns the problems, which the log has too.
    /// Blocks on the disk.
    pub(crate) fn reload(&self) -> Vec<String> {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let (set, problems) = self.current.get().reload(&self.config, &tenants);
        self.current.replace(set);
        problems
    }
}
