//! The accept loop, and what every connection of a host shares.

mod admin;
pub mod api;
pub mod background_writer;
mod component_watch;
mod config_reload;
mod connection_registry;
mod demo;
mod drain;
mod file_poller;
mod handshake_failures;
mod host;
pub mod log_buffer;
mod metrics;
mod page_headers;
mod preflight;
mod router;
mod served_plugin;
mod shutdown_gate;
mod startup_version;
mod tenant_builder;
mod tenant_registry;
mod tenant_runtime;
mod tls;
pub mod users;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

pub use admin::{AdminServer, TokenError};
pub use admin::{TOKEN_FILE_KEY, read_token};
pub use host::open_layer;
pub use host::{Host, HostError};
pub use metrics::{METRICS, Metric, MetricType, reference as metrics_reference};
pub use preflight::{SystemLimitWarning, preflight};
pub use tls::TlsError;

use config_reload::ConfigReloadTrigger;
use connection_registry::ConnectionRegistry;
use drain::Drain;
use handshake_failures::HandshakeFailureCounters;
use narrowboat_core::handshake_response::Rejection;
use narrowboat_core::log_target::TRACE;
use narrowboat_core::name::Tenant;
use narrowboat_quota::PerAddressLimit;
use narrowboat_websocket::connection::{Connection, ConnectionTimeouts, MaybeTlsStream};
use narrowboat_websocket::handshake::{
    self, Decision, HandshakeError, HandshakeLimits, HandshakeOutcome, HandshakeRequest, PeerInfo,
};

/// Sockets over `max_connections` that are told so at a time; further ones are dropped unheard.
const MAX_CONCURRENT_REJECTIONS: usize = 64;

/// The rest when the system has no sockets left, before accept is tried again.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// How long workers have, when all connections have ended late, and then the layers.
const SHUTDOWN_EXTRA_GRACE: Duration = Duration::from_secs(1);

/// What the accept loop and its connections share.
struct Server {
    host: Arc<Host>,
    config_reload: ConfigReloadTrigger,
    connections: ConnectionRegistry,
    keepalive: ConnectionTimeouts,
    handshake_limits: HandshakeLimits,
    /// Whose handshakes are not over.
    handshakes_per_address: PerAddressLimit,
    /// No more connections are taken.
    is_stopping: AtomicBool,
    drain: Drain,
    started_at: Instant,
    /// When it began to serve.
    start_time: SystemTime,
    /// Sockets that found no room, or the host on its way out.
    rejected_connections: AtomicU64,
    handshake_failures: HandshakeFailureCounters,
}

/// Accepts sockets until `shutdown` resolves, then ends every connection within the grace. On `admin`
/// the operator's tools are answered, to the end. Each word on `reread` has the configuration read anew.
pub async fn serve(
    listener: TcpListener,
    admin: Option<AdminServer>,
    host: Host,
    shutdown: impl Future<Output = ()>,
    reread: Arc<Notify>,
) {
    host.attach_runtime(&Handle::current());
    let limits = host.limits().clone();
    let permits = Arc::new(Semaphore::new(limits.max_connections));
    let turned_away = Arc::new(Semaphore::new(MAX_CONCURRENT_REJECTIONS));
    let server = Arc::new(Server {
        connections: ConnectionRegistry::default(),
        keepalive: ConnectionTimeouts::from(&limits),
        handshake_limits: HandshakeLimits {
            timeout: limits.handshake_timeout.duration(),
            max_frame: limits.max_frame.bytes(),
        },
        handshakes_per_address: match limits.handshakes_per_address {
            0 => PerAddressLimit::exempting_loopback(limits.handshakes_per_address()),
            most => PerAddressLimit::new(most),
        },
        host: Arc::new(host),
        config_reload: ConfigReloadTrigger::default(),
        is_stopping: AtomicBool::new(false),
        drain: Drain::default(),
        started_at: Instant::now(),
        start_time: SystemTime::now(),
        rejected_connections: AtomicU64::new(0),
        handshake_failures: HandshakeFailureCounters::default(),
    });
    let mut asked = JoinSet::new();
    if let Some(admin) = admin {
        asked.spawn(admin.serve(Arc::clone(&server)));
    }
    let background = spawn_background_tasks(&server, reread);
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok((stream, peer)) => (stream, peer.ip()),
            Err(error) => {
                handle_accept_error(&error).await;
                continue;
            }
        };
        // First, so that those of one address do not take the places of all.
        let Some(shaking) = HandshakeSlot::try_acquire(&server, address) else {
            server.rejected_connections.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            tokio::spawn(Arc::clone(&server).serve_connection(stream, permit, shaking));
        } else if let Ok(permit) = Arc::clone(&turned_away).try_acquire_owned() {
            tokio::spawn(Arc::clone(&server).reject_over_capacity(stream, permit));
        } else {
            server.rejected_connections.fetch_add(1, Ordering::Relaxed);
        }
    }
    server.is_stopping.store(true, Ordering::Relaxed);
    drop((listener, background));
    server.host.stop_rollouts();
    server.connections.stop_all();
    let end = Instant::now() + limits.shutdown_grace.duration();
    let all = u32::try_from(limits.max_connections).unwrap_or(u32::MAX);
    if timeout_at(end, permits.acquire_many(all)).await.is_err() {
        let left = limits.max_connections - permits.available_permits();
        tracing::warn!("{left} connections did not end within shutdown_grace and are dropped");
    }
    // What consumers said last may be for a worker.
    server.host.stop_workers(end.max(Instant::now() + SHUTDOWN_EXTRA_GRACE)).await;
    if tokio::time::timeout(SHUTDOWN_EXTRA_GRACE, server.host.flush_layers()).await.is_err() {
        tracing::warn!("a channel layer did not take the last of what was sent");
    }
    // Who still waits would be told by a runtime that is no more.
    server.host.cancel_guest_waits();
}

/// What goes on beside the connections and is no tenant's: the watch for changed files, and what is read anew. It
/// ends with the set.
fn spawn_background_tasks(server: &Arc<Server>, asked: Arc<Notify>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(component_watch::run(Arc::clone(server)));
    tasks.spawn(config_reload::run(Arc::clone(server)));
    let asking = Arc::clone(server);
    tasks.spawn(async move {
        loop {
            asked.notified().await;
            asking.config_reload.request();
        }
    });
    if let Some(tls) = server.host.tls() {
        let tls = Arc::clone(tls);
        tasks.spawn(file_poller::poll_files(tls.files(), move || tls.reload()));
    }
    if let Some(users) = server.host.authenticator() {
        let users = Arc::clone(users);
        tasks.spawn(file_poller::poll_files(users.files(), move || users.reload()));
    }
    tasks
}

/// A failing accept is the peer's doing, or the system is out of sockets: then a pause lets some
/// close.
async fn handle_accept_error(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        tracing::warn!("cannot accept: {error}; is the open-file limit too low?");
        tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
    }
}

/// A place among the handshakes of an address, given up when dropped.
struct HandshakeSlot(Arc<Server>, Option<IpAddr>);

impl HandshakeSlot {
    /// Takes a place; `None` if the address has as many as it may.
    fn try_acquire(server: &Arc<Server>, address: IpAddr) -> Option<Self> {
        // Whose handshakes a proxy brings is known only once they are read.
        if server.host.proxy().is_some_and(|proxy| proxy.is_trusted(address)) {
            return Some(Self(Arc::clone(server), None));
        }
        server
            .handshakes_per_address
            .try_acquire(address)
            .then(|| Self(Arc::clone(server), Some(address)))
    }
}

impl Drop for HandshakeSlot {
    fn drop(&mut self) {
        if let Some(address) = self.1 {
            self.0.handshakes_per_address.release(address);
        }
    }
}

impl Server {
    /// One socket from accept to its end. The permit is given back however it ends, once a consumer that had accepted
    /// has been told.
    async fn serve_connection(
        self: Arc<Self>,
        stream: TcpStream,
        permit: OwnedSemaphorePermit,
        shaking: HandshakeSlot,
    ) {
        let permit = Arc::new(permit);
        // Frames are whole messages that someone waits for; without it they would be held back.
        let _ = stream.set_nodelay(true);
        // Boxed, so that an open socket does not carry the room its handshake took.
        let decide = |opening| self.decide_handshake(opening, Arc::clone(&permit));
        let outcome = Box::pin(self.perform_handshake(stream, decide)).await;
        drop(shaking);
        match outcome {
            Ok(HandshakeOutcome::Open(socket, joined)) => {
                let link = Arc::clone(joined.control());
                tracing::debug!(channel = %link.channel, "connection open");
                let _listed = self.connections.register(&joined);
                // Who joined while it began is not among those that are closed.
                if self.drain.is_draining() {
                    drain::close_connection(&link);
                } else if joined.is_retired() {
                    link.outbound.close(self.retire_close_frame(joined.plugin()));
                }
                joined.run(Connection::new(*socket, link, self.keepalive)).await;
            }
            Ok(HandshakeOutcome::Disconnected(joined)) => joined.disconnect_abnormally().await,
            Ok(HandshakeOutcome::Responded(status)) => {
                self.handshake_failures.record_status(status)
            }
            Err(error) => {
                self.handshake_failures.record_error(&error);
                tracing::debug!("{error}");
            }
        }
    }

    /// The handshakes of a socket: that of TLS, where there is one, and that of WebSocket, in the time of one.
    async fn perform_handshake<T, F, D>(
        &self,
        stream: TcpStream,
        decide: F,
    ) -> Result<HandshakeOutcome<T>, HandshakeError>
    where
        T: Send,
        F: FnOnce(HandshakeRequest) -> D + Send,
        D: Future<Output = Decision<T>> + Send,
    {
        let began = Instant::now();
        let HandshakeLimits { timeout, max_frame } = self.handshake_limits;
        let late = |_| HandshakeError::TimedOut(timeout);
        let mut stream = stream;
        let (client, server) = timeout_at(began + timeout, self.peer_addresses(&mut stream))
            .await
            .map_err(late)?
            .map_err(HandshakeError::Proxy)?;
        let stream = match self.host.tls() {
            None => MaybeTlsStream::Left(stream),
            Some(tls) => timeout_at(began + timeout, tls.accept(stream))
                .await
                .map_err(late)?
                .map_err(HandshakeError::Tls)?,
        };
        let is_secure = self.host.tls().is_some();
        let peer = PeerInfo { client_addr: client, server_addr: server, is_secure };
        let limits =
            HandshakeLimits { timeout: timeout.saturating_sub(began.elapsed()), max_frame };
        handshake::accept(stream, peer, limits, decide).await
    }

    /// The client's address and this host's, as the socket has them or as the proxy says whose socket it is.
    async fn peer_addresses(&self, stream: &mut TcpStream) -> io::Result<(SocketAddr, SocketAddr)> {
        let client = stream.peer_addr()?;
        let own = (client, stream.local_addr()?);
        match self.host.proxy() {
            Some(proxy) if proxy.proxy_protocol && proxy.is_trusted(client.ip()) => {
                Ok(handshake::read_proxy_header(stream).await?.unwrap_or(own))
            }
            _ => Ok(own),
        }
    }

    /// What is missing for the host to be ready: it takes connections, and reaches its layers.
    fn unready_reasons(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.is_stopping.load(Ordering::Relaxed) {
            missing.push("stopping".to_owned());
        }
        if self.drain.is_draining() {
            missing.push("draining".to_owned());
        }
        // A tenant whose layer is away keeps nobody from the others.
        if let Some(world) = self.host.tenants().get(&Tenant::default_tenant()) {
            let away = world.layer_statuses().filter(|(_, status)| !status.is_connected);
            missing.extend(away.map(|(name, _)| format!("layer {name:?} is disconnected")));
        }
        missing
    }

    /// The Unix time at which the host began to serve, in seconds.
    fn start_time_seconds(&self) -> f64 {
        self.start_time.duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
    }

    /// Sockets that found no room, or the host on its way out.
    fn rejected_connections(&self) -> u64 {
        self.rejected_connections.load(Ordering::Relaxed)
    }

    async fn decide_handshake(
        &self,
        opening: HandshakeRequest,
        permit: Arc<OwnedSemaphorePermit>,
    ) -> Decision<Box<narrowboat_session::AcceptedConsumer>> {
        if self.drain.is_draining() {
            self.rejected_connections.fetch_add(1, Ordering::Relaxed);
            let draining = Rejection::plain_text(503, "server is draining\n");
            return Decision::Reject(draining.with_header("retry-after", "1"));
        }
        let path = opening.raw_path().to_owned();
        let span = tracing::info_span!(target: TRACE, "handshake", path, otel.kind = "server");
        self.host.decide_handshake(opening, permit).instrument(span).await.unwrap_or_else(
            |rejection| {
                let words = String::from_utf8_lossy(&rejection.body);
                tracing::debug!(path, status = rejection.status, "refused: {}", words.trim_end());
                Decision::Reject(rejection)
            },
        )
    }

    /// Answers 503 to a socket for which there is no room.
    async fn reject_over_capacity(
        self: Arc<Self>,
        stream: TcpStream,
        _permit: OwnedSemaphorePermit,
    ) {
        self.rejected_connections.fetch_add(1, Ordering::Relaxed);
        let full = |_| async {
            let full = Rejection::plain_text(503, "too many connections\n");
            Decision::<()>::Reject(full.with_header("retry-after", "1"))
        };
        if let Err(error) = self.perform_handshake(stream, full).await {
            tracing::debug!("{error}");
        }
    }
}
