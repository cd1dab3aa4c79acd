//! From a host's name to a connection.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{EgressError, is_public};
use crate::root_certificates::load_root_certificates;
use narrowboat_core::origin::HttpTarget;
use narrowboat_quota::{QuotaChain, QuotaResource};

/// Connects, and knows whom to trust.
pub(super) struct Connector {
    /// Names that are looked up at a time. A look-up holds a thread, also when nobody waits for it any more.
    lookup_permits: Arc<Semaphore>,
    /// Read when the first plugin needs it.
    tls_config: OnceLock<Arc<ClientConfig>>,
}

/// Look-ups at a time: a small part of the threads there are.
const MAX_DNS_LOOKUPS: usize = 32;

impl Default for Connector {
    fn default() -> Self {
        Self {
            lookup_permits: Arc::new(Semaphore::new(MAX_DNS_LOOKUPS)),
            tls_config: OnceLock::new(),
        }
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dialler")
    }
}

/// A connection to whom a plugin asks.
pub(super) enum EgressStream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connector {
    /// A connection to an address of the host; unless it may be `private`, to a public one.
    pub(super) async fn connect(
        &self,
        target: &HttpTarget,
        private: bool,
        allowance: &Arc<QuotaChain>,
    ) -> Result<EgressStream, EgressError> {
        let all = self.resolve(target, allowance).await?;
        let open = |address: &SocketAddr| private || is_public(address.ip());
        let addresses: Vec<_> = all.iter().copied().filter(open).collect();
        if addresses.is_empty() {
            return Err(match all.is_empty() {
                true => EgressError::NameResolution(io::Error::from(io::ErrorKind::NotFound)),
                false => EgressError::PrivateAddress,
            });
        }
        // These are addresses: no name is looked up again.
        let stream = TcpStream::connect(&*addresses).await.map_err(EgressError::Connect)?;
        stream.set_nodelay(true).map_err(EgressError::Connect)?;
        if !target.is_secure() {
            return Ok(EgressStream::Plain(stream));
        }
        let name = ServerName::try_from(target.name().to_owned());
        let name = name.map_err(|_| EgressError::InvalidTarget)?;
        let stream = TlsConnector::from(self.tls_config()?).connect(name, stream).await;
        Ok(EgressStream::Tls(Box::new(stream.map_err(EgressError::Tls)?)))
    }

    /// The addresses that a name has, or that it is.
    async fn resolve(
        &self,
        target: &HttpTarget,
        allowance: &Arc<QuotaChain>,
    ) -> Result<Vec<SocketAddr>, EgressError> {
        if let Ok(address) = target.name().parse() {
            return Ok(vec![SocketAddr::new(address, target.port())]);
        }
        let own = allowance
            .try_reserve(QuotaResource::DnsLookups, 1)
            .map_err(|_| EgressError::TooManyRequests)?;
        let place = Arc::clone(&self.lookup_permits).acquire_owned().await;
        let place =
            (own, place.map_err(|error| EgressError::NameResolution(io::Error::other(error)))?);
        let (name, port) = (target.name().to_owned(), target.port());
        let looked_up = spawn_blocking(move || {
            // For as long as the thread is taken, whoever waits for it.
            let _place = place;
            (name, port).to_socket_addrs().map(Iterator::collect)
        });
        let looked_up = looked_up.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        looked_up.map_err(EgressError::NameResolution)
    }

    /// The authorities that the system trusts, as the client of Redis has them.
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

impl AsyncRead for EgressStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for EgressStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
