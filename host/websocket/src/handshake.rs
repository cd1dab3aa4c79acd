//! The opening handshake of RFC 6455, section 4.2: read by hyper, decided by the consumer.

mod handshake_request;
mod http_response;
mod proxy_headers;
mod upgrade;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL,
};
use hyper::http::{HeaderMap, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;

pub use handshake_request::HandshakeRequest;
pub use http_response::HttpResponse;
pub use proxy_headers::read_proxy_header;

use crate::connection::{
    DeflateParams, IncomingLimits, MaybeTlsStream, Socket, SocketConfig, drain_until_eof,
};
use narrowboat_config::DeflateMode;
use narrowboat_core::handshake_response::{Acceptance, Rejection};
use narrowboat_core::scope::Headers;

/// Bytes a request's head may have.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// How long a peer that was turned away may take to read why.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// The bounds of one handshake.
#[derive(Debug, Clone, Copy)]
pub struct HandshakeLimits {
    /// From accept to the answer.
    pub timeout: Duration,
    /// The largest frame of the client once it is open, in bytes.
    pub max_frame: usize,
}

/// Whom a socket joins.
#[derive(Debug, Clone, Copy)]
pub struct PeerInfo {
    /// The client.
    pub client_addr: SocketAddr,
    /// This host.
    pub server_addr: SocketAddr,
    /// Nobody in between can read what passes.
    pub is_secure: bool,
}

/// The answer to a handshake; `T` is what the accepted connection has joined.
pub enum Decision<T> {
    /// 101, with the largest message the client may send then.
    Accept {
        /// Subprotocol and headers of the 101.
        acceptance: Acceptance,
        /// The largest message of the client, in bytes.
        max_message: usize,
        /// Whether messages may be deflated, if the client offers it.
        deflate: Option<DeflateMode>,
        /// Given back with the open socket, or with the error.
        joined: T,
    },
    /// 200, to a client that asked for no WebSocket.
    Respond(HttpResponse),
    /// Anything else.
    Reject(Rejection),
}

/// What became of a handshake.
pub enum HandshakeOutcome<T> {
    /// The socket is open.
    Open(Box<Socket>, T),
    /// The consumer had accepted, but the peer left before the 101 was on its way.
    Disconnected(T),
    /// The peer was turned away, or shown a document, with this status.
    Responded(u16),
}

/// Why no handshake took place.
#[derive(Debug, Error)]
pub enum HandshakeError {
    /// The peer, or the consumer, took too long.
    #[error("handshake timed out after {} s", .0.as_secs())]
    TimedOut(Duration),
    /// What came from a proxy does not say for whom.
    #[error("invalid PROXY protocol header: {0}")]
    Proxy(std::io::Error),
    /// What came is not TLS, or nothing that both sides understand.
    #[error("TLS handshake failed: {0}")]
    Tls(std::io::Error),
    /// What came is not HTTP, or the socket failed.
    #[error("invalid HTTP request: {0}")]
    Http(#[from] hyper::Error),
}

/// What the service leaves for the moment the 101 has been written.
struct PendingUpgrade<T> {
    max_message: usize,
    deflate: Option<DeflateParams>,
    joined: T,
}

/// Reads a request, has it decided, and answers.
///
/// # Errors
/// When no whole request came in time; the socket is closed then.
pub async fn accept<T, F, D>(
    stream: MaybeTlsStream,
    peer: PeerInfo,
    limits: HandshakeLimits,
    decide: F,
) -> Result<HandshakeOutcome<T>, HandshakeError>
where
    T: Send,
    F: FnOnce(HandshakeRequest) -> D + Send,
    D: Future<Output = Decision<T>> + Send,
{
    let decide = Mutex::new(Some(decide));
    let accepted = Mutex::new(None);
    let status = AtomicU16::new(0);
    let service = service_fn(|request: Request<Incoming>| {
        let decide = take_once(&decide);
        let (accepted, status) = (&accepted, &status);
        async move {
            let Some(decide) = decide else { return Ok(second_request_response()) };
            let opening = HandshakeRequest::new(request, peer);
            let response = decide_response(opening, decide, accepted).await;
            status.store(response.status().as_u16(), Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        }
    });
    let http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.timeout)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .without_shutdown();
    let served = tokio::time::timeout(limits.timeout, http).await;
    let accepted = take_once(&accepted);
    match (served, accepted) {
        (Ok(Ok(parts)), Some(PendingUpgrade { max_message, deflate, joined })) => {
            let max_frame = limits.max_frame;
            let terms = SocketConfig { limits: IncomingLimits { max_message, max_frame }, deflate };
            let socket = Socket::new(parts.io.into_inner(), &parts.read_buf, &terms);
            Ok(HandshakeOutcome::Open(Box::new(socket), joined))
        }
        (_, Some(PendingUpgrade { joined, .. })) => Ok(HandshakeOutcome::Disconnected(joined)),
        (Ok(Ok(parts)), None) => {
            // Whoever is not gone by then has had time to read the answer.
            let _ =
                tokio::time::timeout(DRAIN_TIMEOUT, drain_until_eof(&mut parts.io.into_inner()))
                    .await;
            Ok(HandshakeOutcome::Responded(status.into_inner()))
        }
        (Ok(Err(error)), None) => Err(error.into()),
        (Err(_), None) => Err(HandshakeError::TimedOut(limits.timeout)),
    }
}

async fn decide_response<T, F, D>(
    mut opening: HandshakeRequest,
    decide: F,
    accepted: &Mutex<Option<PendingUpgrade<T>>>,
) -> Response<Full<Bytes>>
where
    F: FnOnce(HandshakeRequest) -> D,
    D: Future<Output = Decision<T>>,
{
    // Before anything is looked up by what it names.
    if let Err(rejection) = opening.check_target() {
        return rejection_response(rejection);
    }
    opening.replace_host();
    let switching = opening.switching_response();
    let offers = opening.extensions().unwrap_or_default();
    match (decide(opening).await, switching) {
        (Decision::Accept { acceptance, max_message, deflate, joined }, Ok(mut response)) => {
            apply_acceptance(&mut response, &acceptance);
            let agreed = deflate.and_then(|deflate| DeflateParams::negotiate(&offers, deflate));
            let deflate = agreed.and_then(|(agreement, answer)| {
                let answer = HeaderValue::try_from(answer).ok()?;
                response.headers_mut().insert(SEC_WEBSOCKET_EXTENSIONS, answer);
                Some(agreement)
            });
            *accepted.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(PendingUpgrade { max_message, deflate, joined });
            response
        }
        (Decision::Accept { .. }, Err(rejection)) | (Decision::Reject(rejection), _) => {
            rejection_response(rejection)
        }
        (Decision::Respond(document), _) => {
            build_response(StatusCode::OK, &document.headers, document.body)
        }
    }
}

fn apply_acceptance(response: &mut Response<Full<Bytes>>, acceptance: &Acceptance) {
    if let Some(subprotocol) = &acceptance.subprotocol
        && let Ok(value) = HeaderValue::from_str(subprotocol)
    {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
    append_headers(response.headers_mut(), &acceptance.headers);
}

/// Adds headers that have been checked where they came from.
fn append_headers(map: &mut HeaderMap, headers: &Headers) {
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_maybe_shared(value.clone()))
        {
            map.append(name, value);
        }
    }
}

fn rejection_response(rejection: Rejection) -> Response<Full<Bytes>> {
    let status =
        StatusCode::from_u16(rejection.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    build_response(status, &rejection.headers, rejection.body)
}

/// Any answer but the 101.
fn build_response(status: StatusCode, headers: &Headers, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    append_headers(response.headers_mut(), headers);
    // One request a connection: whoever wants more comes back on a new one.
    response.headers_mut().append(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn second_request_response() -> Response<Full<Bytes>> {
    rejection_response(Rejection::plain_text(400, "only one request per connection is supported\n"))
}

fn take_once<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}
