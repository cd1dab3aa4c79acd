//! Connecting to the host of a request.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, OnceLock};

use hyper::http::HeaderMap;
use hyper::{Method, Uri};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::DuplexStream;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::root_certificates::load_root_certificates;
use crate::{EgressError, is_public};
use narrowboat_core::origin::HttpTarget;
use narrowboat_quota::{QuotaChain, QuotaResource};

/// The head of a request that needs a connection.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The absolute URI.
    pub uri: &'a Uri,
    /// The header fields.
    pub headers: &'a HeaderMap,
}

/// Opens a connection for a request to a server in the memory of this process, for a test of a plugin.
pub type ConnectInMemory =
    Box<dyn Fn(RequestHead<'_>) -> Result<DuplexStream, EgressError> + Send + Sync>;

/// Connects to the host of a request.
pub(crate) enum Connector {
    /// Over the network.
    Network(NetworkConnector),
    /// To servers in the memory of this process.
    InMemory(ConnectInMemory),
}

/// Looks names up and connects.
pub(crate) struct NetworkConnector {
    /// Permits for lookups of names. A lookup holds its permit as long as it holds a thread, even if its request has
    /// ended.
    lookup_permits: Arc<Semaphore>,
    /// The TLS configuration, which is made for the first request over TLS.
    tls_config: OnceLock<Arc<ClientConfig>>,
}

/// The largest number of lookups at a time, a small part of the threads for blocking work.
const MAX_DNS_LOOKUPS: usize = 32;

impl Default for NetworkConnector {
    fn default() -> Self {
        Self {
            lookup_permits: Arc::new(Semaphore::new(MAX_DNS_LOOKUPS)),
            tls_config: OnceLock::new(),
        }
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

/// A connection to the host of a request: without TLS (`Left`), or another stream.
pub(crate) type EgressStream = Either<TcpStream, SecureOrMemoryStream>;

/// A stream with TLS (`Left`), or one in the memory of this process.
type SecureOrMemoryStream = Either<Box<TlsStream<TcpStream>>, DuplexStream>;

impl Connector {
    /// Connects to the target of a request. Without `private`, only addresses on the public internet are used.
    ///
    /// # Errors
    /// As [`NetworkConnector::connect`], or the error of a server in memory.
    pub(crate) async fn connect(
        &self,
        request: RequestHead<'_>,
        target: &HttpTarget,
        private: bool,
        quota: &Arc<QuotaChain>,
    ) -> Result<EgressStream, EgressError> {
        match self {
            Self::Network(network) => network.connect(target, private, quota).await,
            Self::InMemory(connect) => {
                Ok(Either::Right(SecureOrMemoryStream::Right(connect(request)?)))
            }
        }
    }
}

impl NetworkConnector {
    /// Connects to an address of the target. Without `private`, only addresses on the public internet are used.
    ///
    /// # Errors
    /// If the name has no address that may be used, or the connection or the TLS handshake fails.
    async fn connect(
        &self,
        target: &HttpTarget,
        private: bool,
        quota: &Arc<QuotaChain>,
    ) -> Result<EgressStream, EgressError> {
        let all = self.resolve(target, quota).await?;
        let is_allowed = |address: &SocketAddr| private || is_public(address.ip());
        let addresses: Vec<_> = all.iter().copied().filter(is_allowed).collect();
        if addresses.is_empty() {
            return Err(match all.is_empty() {
                true => EgressError::NameResolution(io::Error::from(io::ErrorKind::NotFound)),
                false => EgressError::PrivateAddress,
            });
        }
        // Connect to the checked addresses, so that the name is not looked up again.
        let stream = TcpStream::connect(&*addresses).await.map_err(EgressError::Connect)?;
        stream.set_nodelay(true).map_err(EgressError::Connect)?;
        if !target.is_secure() {
            return Ok(Either::Left(stream));
        }
        let name = ServerName::try_from(target.name().to_owned());
        let name = name.map_err(|_| EgressError::InvalidTarget)?;
        let stream = TlsConnector::from(self.tls_config()?).connect(name, stream).await;
        let stream = Box::new(stream.map_err(EgressError::Tls)?);
        Ok(Either::Right(SecureOrMemoryStream::Left(stream)))
    }

    /// Returns the addresses of the target's name. The name may be an address.
    async fn resolve(
        &self,
        target: &HttpTarget,
        quota: &Arc<QuotaChain>,
    ) -> Result<Vec<SocketAddr>, EgressError> {
        if let Ok(address) = target.name().parse() {
            return Ok(vec![SocketAddr::new(address, target.port())]);
        }
        let reservation = quota
            .try_reserve(QuotaResource::DnsLookups, 1)
            .map_err(|_| EgressError::TooManyRequests)?;
        let permit = Arc::clone(&self.lookup_permits).acquire_owned().await;
        let permit =
            permit.map_err(|error| EgressError::NameResolution(io::Error::other(error)))?;
        let (name, port) = (target.name().to_owned(), target.port());
        let addresses = spawn_blocking(move || {
            // Held until the lookup ends, even if the request has ended.
            let _held = (reservation, permit);
            (name, port).to_socket_addrs().map(Iterator::collect)
        });
        let addresses = addresses.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        addresses.map_err(EgressError::NameResolution)
    }

    /// Returns the TLS configuration, which trusts the authorities of the system.
    fn tls_config(&self) -> Result<Arc<ClientConfig>, EgressError> {
        if let Some(config) = self.tls_config.get() {
            return Ok(Arc::clone(config));
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(load_root_certificates().map_err(EgressError::Tls)?);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let versions = versions.map_err(|error| EgressError::Tls(io::Error::other(error)))?;
        let config = versions.with_root_certificates(roots).with_no_client_auth();
        Ok(Arc::clone(self.tls_config.get_or_init(|| Arc::new(config))))
    }
}
