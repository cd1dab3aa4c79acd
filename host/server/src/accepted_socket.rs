//! One socket, from accept to its end.
//!
//! ```text
//! accept loop
//!   └─ AcceptedSocket::serve
//!        ├─ perform_handshake        PROXY header, TLS, then the WebSocket handshake:
//!        │    └─ handshake::accept     reads the request,
//!        │         └─ decide             asks the host, which asks the consumer,
//!        │                             and writes the 101 or another response
//!        └─ run_consumer             registers the open connection, and runs its session to the end
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::connection_registry::ConnectionGuard;
use crate::drain;
use crate::handshake_slot::HandshakeSlot;
use crate::server::Server;
use crate::tls::TlsConnection;
use narrowboat_core::handshake_response::HostRejection;
use narrowboat_core::log_target::TRACE;
use narrowboat_core::name::Tenant;
use narrowboat_session::AcceptedConsumer;
use narrowboat_websocket::connection::{ClientStream, Connection, Socket, WrappedStream};
use narrowboat_websocket::handshake::{
    self, Decision, HandshakeError, HandshakeLimits, HandshakeOutcome, HandshakeRequest, PeerInfo,
};

/// A socket that was accepted and whose handshake has not begun.
pub(crate) struct AcceptedSocket {
    server: Arc<Server>,
    stream: TcpStream,
}

impl AcceptedSocket {
    /// A socket that the accept loop has just accepted.
    pub(crate) fn new(server: Arc<Server>, stream: TcpStream) -> Self {
        Self { server, stream }
    }

    /// Serves the socket until it ends. `permit` is released after the consumer's `disconnect`, or at the end of a
    /// handshake that fails; `slot` is released when the handshake is over.
    pub(crate) async fn serve(self, permit: OwnedSemaphorePermit, slot: HandshakeSlot) {
        let Self { server, stream } = self;
        // Boxed, so that the task of an open connection does not keep the memory of its handshake.
        let accepted = Box::pin(accept_connection(&server, stream, permit, slot)).await;
        if let Some(connection) = accepted {
            run_consumer(&server, connection).await;
        }
    }

    /// Responds with 503, because `max_connections` sockets are open. Holds `_permit` meanwhile.
    pub(crate) async fn reject_over_capacity(self, _permit: OwnedSemaphorePermit) {
        let Self { server, stream } = self;
        server.record_rejected_connection();
        let reject = |_, _| async { Decision::<()>::Reject(HostRejection::TooManySockets.into()) };
        if let Err(error) = perform_handshake(&server, stream, reject).await {
            tracing::debug!(%error, "handshake failed");
        }
    }
}

/// A connection whose handshake has succeeded. Boxed, so that the task of the connection keeps no second place for it.
pub(crate) struct AcceptedConnection {
    socket: Box<Socket>,
    consumer: Box<AcceptedConsumer>,
}

/// Performs the handshake of a socket, and releases `slot`.
async fn accept_connection(
    server: &Server,
    stream: TcpStream,
    permit: OwnedSemaphorePermit,
    slot: HandshakeSlot,
) -> Option<AcceptedConnection> {
    let permit = Arc::new(permit);
    // Each frame is a whole message: Nagle's algorithm would only delay it.
    let _ = stream.set_nodelay(true);
    // Boxed, so that a socket that has sent no request yet has no room for the decision.
    let decide = |request, tenant| Box::pin(decide(server, request, tenant, Arc::clone(&permit)));
    let outcome = perform_handshake(server, stream, decide).await;
    drop(slot);
    accepted_connection(server, outcome).await
}

/// Returns the connection that a handshake has opened. Otherwise records why there is none, and ends its consumer.
pub(crate) async fn accepted_connection(
    server: &Server,
    outcome: Result<HandshakeOutcome<Box<AcceptedConsumer>>, HandshakeError>,
) -> Option<AcceptedConnection> {
    match outcome {
        Ok(HandshakeOutcome::Open(socket, consumer)) => {
            return Some(AcceptedConnection { socket, consumer });
        }
        Ok(HandshakeOutcome::Disconnected(consumer)) => consumer.disconnect_abnormally().await,
        Ok(HandshakeOutcome::Responded(status)) => server.handshake_failures.record_status(status),
        Err(error) => {
            server.handshake_failures.record_error(&error);
            tracing::debug!(%error, "handshake failed");
        }
    }
    None
}

/// Performs the handshakes of a socket, all within `handshake_timeout`: the header of the PROXY protocol and TLS, where
/// they are configured, and the WebSocket handshake, which `decide` accepts or rejects. It gets the tenant that has a TLS
/// certificate for the name that the client sent.
async fn perform_handshake<T, F, D>(
    server: &Server,
    mut stream: TcpStream,
    decide: F,
) -> Result<HandshakeOutcome<T>, HandshakeError>
where
    T: Send,
    F: FnOnce(HandshakeRequest, Option<Tenant>) -> D + Send,
    D: Future<Output = Decision<T>> + Send,
{
    let HandshakeLimits { timeout, max_frame } = server.handshake_limits;
    let deadline = Instant::now() + timeout;
    let timed_out = |_| HandshakeError::TimedOut(timeout);
    let (client_addr, server_addr) = timeout_at(deadline, peer_addresses(server, &mut stream))
        .await
        .map_err(timed_out)?
        .map_err(HandshakeError::Proxy)?;
    let TlsConnection { stream, tenant } = match server.host.tls() {
        None => TlsConnection { stream: ClientStream::Left(stream.into()), tenant: None },
        Some(tls) => timeout_at(deadline, tls.accept(stream))
            .await
            .map_err(timed_out)?
            .map_err(HandshakeError::Tls)?,
    };
    let peer = PeerInfo {
        client_addr,
        server_addr,
        is_secure: matches!(stream, ClientStream::Right(WrappedStream::Left(_))),
    };
    let remaining = deadline.saturating_duration_since(Instant::now());
    let limits = HandshakeLimits { timeout: remaining, max_frame };
    handshake::accept(stream, peer, limits, |request| decide(request, tenant)).await
}

/// The addresses of the client and of this host: those of the socket, or those in the PROXY header of a trusted proxy.
async fn peer_addresses(
    server: &Server,
    stream: &mut TcpStream,
) -> io::Result<(SocketAddr, SocketAddr)> {
    let peer = stream.peer_addr()?;
    let addresses = (peer, stream.local_addr()?);
    match server.host.proxy() {
        Some(proxy) if proxy.proxy_protocol && proxy.is_trusted(peer.ip()) => {
            Ok(handshake::read_proxy_header(stream).await?.unwrap_or(addresses))
        }
        _ => Ok(addresses),
    }
}

/// Decides a handshake: rejects it while the host drains, and else asks the host. `tls_tenant` has a TLS certificate for the
/// name that the client sent.
pub(crate) async fn decide(
    server: &Server,
    request: HandshakeRequest,
    tls_tenant: Option<Tenant>,
    permit: Arc<OwnedSemaphorePermit>,
) -> Decision<Box<AcceptedConsumer>> {
    if server.drain.is_draining() {
        server.record_rejected_connection();
        return Decision::Reject(HostRejection::Draining.into());
    }
    let path = request.raw_path().to_owned();
    let span = tracing::info_span!(target: TRACE, "handshake", path, otel.kind = "server");
    let register = |consumer: &AcceptedConsumer| register_connection(server, consumer);
    let deciding = server.host.decide_handshake(request, tls_tenant, permit, register);
    let decision = deciding.instrument(span).await;
    decision.unwrap_or_else(|rejection| {
        let body = String::from_utf8_lossy(&rejection.body);
        let reason = body.trim_end();
        tracing::debug!(path, status = rejection.status, reason, "handshake rejected");
        Decision::Reject(rejection)
    })
}

/// Registers a connection, so that a drain, a reload and the stop of the host reach it. Closes it if a drain or a reload
/// has not seen it.
fn register_connection<'a>(server: &'a Server, consumer: &AcceptedConsumer) -> ConnectionGuard<'a> {
    let handle = consumer.control();
    let guard = server.connections.register(consumer);
    // Checked after the registration: a drain or a reload that began earlier did not see this connection.
    if server.drain.is_draining() {
        drain::close_connection(handle);
    } else if consumer.is_retired() {
        handle.outbound.close(server.host.retire_close_frame(consumer.plugin()));
    }
    guard
}

/// Runs the session of an open connection until it ends. The connection is registered meanwhile.
pub(crate) async fn run_consumer(server: &Server, connection: AcceptedConnection) {
    let AcceptedConnection { socket, consumer } = connection;
    let handle = Arc::clone(consumer.control());
    tracing::debug!(channel = %handle.channel, "connection open");
    let _registered = register_connection(server, &consumer);
    consumer.run(Connection::new(*socket, handle, Arc::clone(&server.timeouts))).await;
}
