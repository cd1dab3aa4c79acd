//! The course of one handshake: read the request, decide, respond.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{HeaderValue, SEC_WEBSOCKET_EXTENSIONS};
use tokio::time::{Instant, timeout, timeout_at};

use super::decision::Decision;
use super::handshake_error::HandshakeError;
use super::handshake_request::HandshakeRequest;
use super::http_exchange::{HttpExchange, ReadOutcome};
use super::peer_info::PeerInfo;
use super::response::{apply_acceptance, build_response, rejection_response};
use crate::connection::{
    ClientStream, DeflateParams, IncomingLimits, Socket, SocketConfig, drain_until_eof,
};
use narrowboat_core::handshake_response::HostRejection;

/// The time that a client has to read a response other than a 101, before the socket is closed.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// The time to write a response that was decided at the end of [`HandshakeLimits::timeout`], or later.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The limits of one handshake.
#[derive(Debug, Clone, Copy)]
pub struct HandshakeLimits {
    /// The time from the start of the handshake to the decision. The response may take a second more.
    pub timeout: Duration,
    /// The largest frame that the client may send on the open connection, in bytes.
    pub max_frame: usize,
}

/// The result of a handshake that was decided.
pub enum HandshakeOutcome<T> {
    /// The socket is open. The second value is that of [`Decision::Accept`].
    Open(Box<Socket>, T),
    /// The handshake was accepted, but the client disconnected before the 101 was written.
    Disconnected(T),
    /// The client got a response with this status instead of a 101. The status is 0 if the client closed the
    /// connection without a request.
    Responded(u16),
}

/// The part of [`Decision::Accept`] that is needed once the 101 has been written.
struct Accepted<T> {
    config: SocketConfig,
    handler: T,
}

/// Reads a request, waits for the decision about it, and writes the response. If the client disconnects meanwhile,
/// or the limit's time is over, the future of the decision is dropped.
///
/// # Errors
/// The client sent no valid HTTP request, disconnected, or the limit's time is over. The socket is closed then. A client
/// whose request was read gets 503 at the end of the limit's time.
pub async fn accept<T, F, D>(
    stream: ClientStream,
    peer: PeerInfo,
    limits: HandshakeLimits,
    decide: F,
) -> Result<HandshakeOutcome<T>, HandshakeError>
where
    T: Send,
    F: FnOnce(HandshakeRequest) -> D + Send,
    D: Future<Output = Decision<T>> + Send,
{
    let deadline = Instant::now() + limits.timeout;
    let timed_out = |_| HandshakeError::TimedOut(limits.timeout);

    let reading = HttpExchange::read_request(stream, limits.timeout);
    let (request, mut exchange) = match timeout_at(deadline, reading).await.map_err(timed_out)?? {
        ReadOutcome::Request(request, exchange) => {
            (HandshakeRequest::new(*request, peer), exchange)
        }
        ReadOutcome::Closed(stream) => {
            close_after_response(stream).await;
            return Ok(HandshakeOutcome::Responded(0));
        }
    };

    let deciding = exchange.run_while_connected(decide_response(request, limits.max_frame, decide));
    let decided = match timeout_at(deadline, deciding).await {
        Ok(decided) => decided?,
        Err(elapsed) => {
            let response = rejection_response(HostRejection::HandshakeTimedOut.into());
            if let Ok(Ok((stream, _))) = timeout(RESPONSE_TIMEOUT, exchange.respond(response)).await
            {
                close_after_response(stream).await;
            }
            return Err(timed_out(elapsed));
        }
    };
    let Some((response, accepted)) = decided else { return Ok(HandshakeOutcome::Responded(0)) };

    let status = response.status().as_u16();
    let deadline = deadline.max(Instant::now() + RESPONSE_TIMEOUT);
    let sent = timeout_at(deadline, exchange.respond(response)).await;
    match (accepted, sent) {
        (Some(Accepted { config, handler }), Ok(Ok((stream, early_bytes)))) => {
            let socket = Socket::new(stream, &early_bytes, &config);
            Ok(HandshakeOutcome::Open(Box::new(socket), handler))
        }
        (Some(Accepted { handler, .. }), _) => Ok(HandshakeOutcome::Disconnected(handler)),
        (None, Ok(Ok((stream, _)))) => {
            close_after_response(stream).await;
            Ok(HandshakeOutcome::Responded(status))
        }
        (None, Ok(Err(error))) => Err(error.into()),
        (None, Err(elapsed)) => Err(timed_out(elapsed)),
    }
}

/// Closes a socket whose client got a response. The client gets [`DRAIN_TIMEOUT`] to read the response.
async fn close_after_response(mut stream: ClientStream) {
    let _ = timeout(DRAIN_TIMEOUT, drain_until_eof(&mut stream)).await;
}

/// Returns the response to a request, and the accepted value if it is a 101.
async fn decide_response<T, F, D>(
    mut request: HandshakeRequest,
    max_frame: usize,
    decide: F,
) -> (Response<Full<Bytes>>, Option<Accepted<T>>)
where
    F: FnOnce(HandshakeRequest) -> D,
    D: Future<Output = Decision<T>>,
{
    // Before `decide` looks anything up by the host or the path.
    if let Err(rejection) = request.check_target() {
        return (rejection_response(rejection), None);
    }
    request.replace_host();
    let switching = request.switching_response();
    let offers = request.extensions().unwrap_or_default();
    match (decide(request).await, switching) {
        (Decision::Accept { acceptance, max_message, deflate, handler }, Ok(mut response)) => {
            apply_acceptance(&mut response, &acceptance);
            let deflate = deflate
                .and_then(|mode| DeflateParams::negotiate(&offers, mode))
                .and_then(|(params, header)| add_deflate_header(&mut response, params, header));
            let limits = IncomingLimits { max_message, max_frame };
            let config = SocketConfig { limits, deflate };
            (response, Some(Accepted { config, handler }))
        }
        (Decision::Accept { .. }, Err(rejection)) | (Decision::Reject(rejection), _) => {
            (rejection_response(rejection), None)
        }
        (Decision::Respond(page), _) => {
            (build_response(page.status, &page.headers, page.body), None)
        }
    }
}

/// Announces the negotiated parameters of permessage-deflate in a 101, and returns them.
fn add_deflate_header(
    response: &mut Response<Full<Bytes>>,
    params: DeflateParams,
    header: String,
) -> Option<DeflateParams> {
    let header = HeaderValue::try_from(header).ok()?;
    response.headers_mut().insert(SEC_WEBSOCKET_EXTENSIONS, header);
    Some(params)
}

#[cfg(test)]
mod tests;
