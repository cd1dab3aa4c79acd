//! The accept loop, and what every connection of a host shares.

mod admin;
pub mod api;
pub mod background_writer;
mod demo;
mod drain;
mod first;
mod host;
pub mod journal;
mod links;
mod making;
mod metrics;
mod pages;
mod preflight;
mod refusals;
mod reload;
mod renewal;
mod reread;
mod router;
mod served;
mod stopping;
mod tls;
pub mod users;
mod world;
mod worlds;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

pub use admin::{AdminPort, TokenError};
pub use admin::{TOKEN_FILE, read_token};
pub use host::open_layer;
pub use host::{Host, HostError};
pub use metrics::{FIGURES, Figure, Kind, reference as metrics_reference};
pub use preflight::{Warning, preflight};
pub use tls::TlsError;

use drain::Drain;
use links::Links;
use narrowboat_core::answer::Rejection;
use narrowboat_core::log_target::TRACE;
use narrowboat_core::name::Tenant;
use narrowboat_quota::Crowd;
use narrowboat_websocket::connection::{Connection, Patience, Stream};
use narrowboat_websocket::handshake::{
    self, Decision, HandshakeError, HandshakeLimits, Opening, Outcome, Peer,
};
use refusals::Refusals;
use reread::Reread;

/// Sockets over `max_connections` that are told so at a time; further ones are dropped unheard.
const TURNED_AWAY: usize = 64;

/// The rest when the system has no sockets left, before accept is tried again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long workers have, when all connections have ended late, and then the layers.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the accept loop and its connections share.
struct Server {
    host: Arc<Host>,
    reread: Reread,
    links: Links,
    patience: Patience,
    handshake: HandshakeLimits,
    /// Whose handshakes are not over.
    shaking: Crowd,
    /// No more connections are taken.
    stopping: AtomicBool,
    drain: Drain,
    began: Instant,
    /// Sockets that found no room, or the host on its way out.
    turned_away: AtomicU64,
    refusals: Refusals,
}

/// Accepts sockets until `shutdown` resolves, then ends every connection within the grace. On `admin`
/// the operator's tools are answered, to the end. Each word on `reread` has the configuration read anew.
pub async fn serve(
    listener: TcpListener,
    admin: Option<AdminPort>,
    host: Host,
    shutdown: impl Future<Output = ()>,
    reread: Arc<Notify>,
) {
    host.serves(&Handle::current());
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
        shaking: match limits.handshakes_per_address {
            0 => Crowd::of_others(limits.handshakes_per_address()),
            most => Crowd::new(most),
        },
        host: Arc::new(host),
        reread: Reread::default(),
        stopping: AtomicBool::new(false),
        drain: Drain::default(),
        began: Instant::now(),
        turned_away: AtomicU64::new(0),
        refusals: Refusals::default(),
    });
    let mut asked = JoinSet::new();
    if let Some(admin) = admin {
        asked.spawn(admin.serve(Arc::clone(&server)));
    }
    let background = background(&server, reread);
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok((stream, peer)) => (stream, peer.ip()),
            Err(error) => {
                rest(&error).await;
                continue;
            }
        };
        // First, so that those of one address do not take the places of all.
        let Some(shaking) = Shaking::begin(&server, address) else {
            server.turned_away.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            tokio::spawn(Arc::clone(&server).connection(stream, permit, shaking));
        } else if let Ok(permit) = Arc::clone(&turned_away).try_acquire_owned() {
            tokio::spawn(Arc::clone(&server).turn_away(stream, permit));
        } else {
            server.turned_away.fetch_add(1, Ordering::Relaxed);
        }
    }
    server.stopping.store(true, Ordering::Relaxed);
    drop((listener, background));
    server.host.stop_swaps();
    server.links.stop();
    let end = Instant::now() + limits.shutdown_grace.duration();
    let all = u32::try_from(limits.max_connections).unwrap_or(u32::MAX);
    if timeout_at(end, permits.acquire_many(all)).await.is_err() {
        let left = limits.max_connections - permits.available_permits();
        tracing::warn!("{left} connections did not end within shutdown_grace and are dropped");
    }
    // What consumers said last may be for a worker.
    server.host.stop_workers(end.max(Instant::now() + LAST_WORDS)).await;
    if tokio::time::timeout(LAST_WORDS, server.host.settle()).await.is_err() {
        tracing::warn!("a channel layer did not take the last of what was sent");
    }
    // Who still waits would be told by a runtime that is no more.
    server.host.halt();
}

/// What goes on beside the connections and is no tenant's: the watch for changed files, and what is read anew. It
/// ends with the set.
fn background(server: &Arc<Server>, asked: Arc<Notify>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(reload::reload(Arc::clone(server)));
    tasks.spawn(reread::run(Arc::clone(server)));
    let asking = Arc::clone(server);
    tasks.spawn(async move {
        loop {
            asked.notified().await;
            asking.reread.ask();
        }
    });
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

/// A place among the handshakes of an address, given up when dropped.
struct Shaking(Arc<Server>, Option<IpAddr>);

impl Shaking {
    /// Takes a place; `None` if the address has as many as it may.
    fn begin(server: &Arc<Server>, address: IpAddr) -> Option<Self> {
        // Whose handshakes a proxy brings is known only once they are read.
        if server.host.proxy().is_some_and(|proxy| proxy.trusts(address)) {
            return Some(Self(Arc::clone(server), None));
        }
        server.shaking.enter(address).then(|| Self(Arc::clone(server), Some(address)))
    }
}

impl Drop for Shaking {
    fn drop(&mut self) {
        if let Some(address) = self.1 {
            self.0.shaking.leave(address);
        }
    }
}

impl Server {
    /// One socket from accept to its end. The permit is given back however it ends, once a consumer that had accepted
    /// has been told.
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        permit: OwnedSemaphorePermit,
        shaking: Shaking,
    ) {
        let permit = Arc::new(permit);
        // Frames are whole messages that someone waits for; without it they would be held back.
        let _ = stream.set_nodelay(true);
        // Boxed, so that an open socket does not carry the room its handshake took.
        let decide = |opening| self.decide(opening, Arc::clone(&permit));
        let outcome = Box::pin(self.shake_hands(stream, decide)).await;
        drop(shaking);
        match outcome {
            Ok(Outcome::Open(socket, joined)) => {
                let link = Arc::clone(joined.link());
                tracing::debug!(channel = %link.channel, "connection open");
                let _listed = self.links.list(&joined);
                // Who joined while it began is not among those that are closed.
                if self.drain.has_begun() {
                    drain::end(&link);
                } else if joined.is_retired() {
                    link.outbound.close(self.farewell(joined.plugin()));
                }
                joined.run(Connection::new(*socket, link, self.patience)).await;
            }
            Ok(Outcome::Lost(joined)) => joined.abandon().await,
            Ok(Outcome::Answered(status)) => self.refusals.answered(status),
            Err(error) => {
                self.refusals.failed(&error);
                tracing::debug!("{error}");
            }
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
        // A tenant whose layer is away keeps nobody from the others.
        if let Some(world) = self.host.worlds().of(&Tenant::default_tenant()) {
            let away = world.layers().filter(|(_, status)| !status.connected);
            missing.extend(away.map(|(name, _)| format!("layer {name:?} is away")));
        }
        missing
    }

    /// Sockets that found no room, or the host on its way out.
    fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    async fn decide(
        &self,
        opening: Opening,
        permit: Arc<OwnedSemaphorePermit>,
    ) -> Decision<Box<narrowboat_session::Joined>> {
        if self.drain.has_begun() {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
            let draining = Rejection::plain(503, "this host is going out of service\n");
            return Decision::Reject(draining.with_header("retry-after", "1"));
        }
        let path = opening.raw_path().to_owned();
        let span = tracing::info_span!(target: TRACE, "handshake", path, otel.kind = "server");
        self.host.decide(opening, permit).instrument(span).await.unwrap_or_else(|rejection| {
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
