//! The accept loop, and what every connection of a host shares.

mod admin;
mod demo;
mod drain;
mod first;
mod host;
mod links;
mod metrics;
mod pages;
mod preflight;
mod reload;
mod renewal;
mod tls;
mod workers;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

pub(crate) use admin::read_token;
pub use admin::{AdminPort, TokenError};
pub(crate) use host::open_layer;
pub use host::{Host, HostError};
pub use metrics::{FIGURES, Figure, Kind, reference as metrics_reference};
pub use preflight::{Warning, preflight};
pub use tls::TlsError;

use crate::answer::Rejection;
use crate::connection::{Connection, Patience, Stream};
use crate::handshake::{self, Decision, HandshakeError, HandshakeLimits, Opening, Outcome, Peer};
use crate::journal::TRACE;
use drain::Drain;
use links::Links;
use workers::Workers;

/// Sockets over `max_connections` that are told so at a time; further ones are dropped unheard.
const TURNED_AWAY: usize = 64;

/// The rest when the system has no sockets left, before accept is tried again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long workers have, when all connections have ended late, and then the layers.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the accept loop and its connections share.
struct Server {
    host: Host,
    links: Links,
    patience: Patience,
    handshake: HandshakeLimits,
    /// No more connections are taken.
    stopping: AtomicBool,
    drain: Drain,
    began: Instant,
    /// Sockets that found no room, or the host on its way out.
    turned_away: AtomicU64,
}

/// Accepts sockets until `shutdown` resolves, then ends every connection within the grace. On `admin`
/// the operator's tools are answered, to the end.
pub async fn serve(
    listener: TcpListener,
    admin: Option<AdminPort>,
    host: Host,
    shutdown: impl Future<Output = ()>,
) {
    host.serves(Handle::current());
    let limits = host.limits().clone();
    let permits = Arc::new(Semaphore::new(limits.max_connections));
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY));
    let server = Arc::new(Server {
        links: Links::default(),
        patience: Patience::from(&limits),
        handshake: HandshakeLimits {
            timeout: limits.handshake_timeout.duration(),
            max_frame: limits.max_frame.bytes(),
        },
        host,
        stopping: AtomicBool::new(false),
        drain: Drain::default(),
        began: Instant::now(),
        turned_away: AtomicU64::new(0),
    });
    let mut asked = JoinSet::new();
    if let Some(admin) = admin {
        asked.spawn(admin.serve(Arc::clone(&server)));
    }
    let background = background(&server);
    let workers = Workers::start(&server.host);
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                rest(&error).await;
                continue;
            }
        };
        if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            tokio::spawn(Arc::clone(&server).connection(stream, permit));
        } else if let Ok(permit) = Arc::clone(&turned_away).try_acquire_owned() {
            tokio::spawn(Arc::clone(&server).turn_away(stream, permit));
        } else {
            server.turned_away.fetch_add(1, Ordering::Relaxed);
        }
    }
    server.stopping.store(true, Ordering::Relaxed);
    drop((listener, background));
    server.links.stop();
    let end = Instant::now() + limits.shutdown_grace.duration();
    let all = u32::try_from(limits.max_connections).unwrap_or(u32::MAX);
    if timeout_at(end, permits.acquire_many(all)).await.is_err() {
        let left = limits.max_connections - permits.available_permits();
        tracing::warn!("{left} connections did not end within shutdown_grace and are dropped");
    }
    // What consumers said last may be for a worker.
    workers.stop(end.max(Instant::now() + LAST_WORDS)).await;
    if tokio::time::timeout(LAST_WORDS, server.host.settle()).await.is_err() {
        tracing::warn!("a channel layer did not take the last of what was sent");
    }
}

/// What goes on beside the connections: swaps, and the watch for changed components. It ends with
/// the set, so that nobody moves on the way out.
fn background(server: &Arc<Server>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for swap in server.host.swaps().values().flatten() {
        tasks.spawn(Arc::clone(swap).run());
    }
    let watching = Arc::clone(server);
    tasks.spawn(async move { reload::reload(&watching.host).await });
    if let Some(tls) = server.host.tls() {
        let tls = Arc::clone(tls);
        tasks.spawn(renewal::follow(tls.files(), move || tls.renew()));
    }
    if let Some(users) = server.host.users() {
        let users = Arc::clone(users);
        tasks.spawn(renewal::follow(users.files(), move || users.renew()));
    }
    tasks
}

/// A failing accept is the peer's doing, or the system is out of sockets: then a pause lets some
/// close.
async fn rest(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        tracing::warn!("cannot accept: {error}; is the open-file limit too low?");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

impl Server {
    /// One socket from accept to its end. The permit is given back however it ends.
    async fn connection(self: Arc<Self>, stream: TcpStream, _permit: OwnedSemaphorePermit) {
        // Frames are whole messages that someone waits for; without it they would be held back.
        let _ = stream.set_nodelay(true);
        // Boxed, so that an open socket does not carry the room its handshake took.
        let outcome = Box::pin(self.shake_hands(stream, |opening| self.decide(opening))).await;
        match outcome {
            Ok(Outcome::Open(socket, joined)) => {
                let link = Arc::clone(joined.link());
                tracing::debug!(channel = %link.channel, "connection open");
                let _listed = self.links.list(&joined);
                if self.drain.has_begun() {
                    // Who joined while it began is not among those that it closes.
                    drain::end(&link);
                }
                joined.run(Connection::new(*socket, link, self.patience)).await;
            }
            Ok(Outcome::Lost(joined)) => joined.abandon().await,
            Ok(Outcome::Answered) => {}
            Err(error) => tracing::debug!("{error}"),
        }
    }

    /// The handshakes of a socket: that of TLS, where there is one, and that of WebSocket, in the time of one.
    async fn shake_hands<T, F, D>(
        &self,
        stream: TcpStream,
        decide: F,
    ) -> Result<Outcome<T>, HandshakeError>
    where
        T: Send,
        F: FnOnce(Opening) -> D + Send,
        D: Future<Output = Decision<T>> + Send,
    {
        let began = Instant::now();
        let HandshakeLimits { timeout, max_frame } = self.handshake;
        let late = |_| HandshakeError::TimedOut(timeout);
        let mut stream = stream;
        let (client, server) = timeout_at(began + timeout, self.ends_of(&mut stream))
            .await
            .map_err(late)?
            .map_err(HandshakeError::Proxy)?;
        let stream = match self.host.tls() {
            None => Stream::Plain(stream),
            Some(tls) => timeout_at(began + timeout, tls.accept(stream))
                .await
                .map_err(late)?
                .map_err(HandshakeError::Tls)?,
        };
        let peer = Peer { client, server, secure: stream.is_secure() };
        let limits =
            HandshakeLimits { timeout: timeout.saturating_sub(began.elapsed()), max_frame };
        handshake::accept(stream, peer, limits, decide).await
    }

    /// The client's address and this host's, as the socket has them or as the proxy says whose socket it is.
    async fn ends_of(&self, stream: &mut TcpStream) -> io::Result<(SocketAddr, SocketAddr)> {
        let client = stream.peer_addr()?;
        let own = (client, stream.local_addr()?);
        match self.host.proxy() {
            Some(proxy) if proxy.protocol && proxy.trusts(client.ip()) => {
                Ok(handshake::read_proxied(stream).await?.unwrap_or(own))
            }
            _ => Ok(own),
        }
    }

    /// What is missing for the host to be ready: it takes connections, and reaches its layers.
    fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.stopping.load(Ordering::Relaxed) {
            missing.push("stopping".to_owned());
        }
        if self.drain.has_begun() {
            missing.push("draining".to_owned());
        }
        let layers = self.host.layers().filter(|(_, status)| !status.connected);
        missing.extend(layers.map(|(name, _)| format!("layer {name:?} is away")));
        missing
    }

    /// Sockets that found no room, or the host on its way out.
    fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    async fn decide(&self, opening: Opening) -> Decision<Box<crate::session::Joined>> {
        if self.drain.has_begun() {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
            let draining = Rejection::plain(503, "this host is going out of service\n");
            return Decision::Reject(draining.with_header("retry-after", "1"));
        }
        let path = opening.raw_path().to_owned();
        let span = tracing::info_span!(target: TRACE, "handshake", path, otel.kind = "server");
        self.host.decide(opening).instrument(span).await.unwrap_or_else(|rejection| {
            let words = String::from_utf8_lossy(&rejection.body);
            tracing::debug!(path, status = rejection.status, "refused: {}", words.trim_end());
            Decision::Reject(rejection)
        })
    }

    /// Answers 503 to a socket for which there is no room.
    async fn turn_away(self: Arc<Self>, stream: TcpStream, _permit: OwnedSemaphorePermit) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
        let full = |_| async {
            let full = Rejection::plain(503, "max_connections are open\n");
            Decision::<()>::Reject(full.with_header("retry-after", "1"))
        };
        if let Err(error) = self.shake_hands(stream, full).await {
            tracing::debug!("{error}");
        }
    }
}
