//! The HTTP responses of a handshake.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use hyper::http::{HeaderMap, StatusCode};

use narrowboat_core::handshake_response::{Acceptance, Rejection};
use narrowboat_core::scope::Headers;

/// Returns a 101 with `accept_key` as `Sec-WebSocket-Accept`.
pub(super) fn switching_protocols(accept_key: HeaderValue) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().extend([
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_ACCEPT, accept_key),
    ]);
    response
}

/// Adds the subprotocol and the headers of an acceptance to a 101.
pub(super) fn apply_acceptance(response: &mut Response<Full<Bytes>>, acceptance: &Acceptance) {
    if let Some(subprotocol) = &acceptance.subprotocol
        && let Ok(value) = HeaderValue::from_str(subprotocol)
    {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
    append_headers(response.headers_mut(), &acceptance.headers);
}

/// Returns the response for a rejection. An invalid status becomes 500.
pub(super) fn rejection_response(rejection: Rejection) -> Response<Full<Bytes>> {
    let status =
        StatusCode::from_u16(rejection.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    build_response(status, &rejection.headers, rejection.body)
}

/// Returns a response other than a 101. It closes the connection: each connection carries one request.
pub(super) fn build_response(
    status: StatusCode,
    headers: &Headers,
    body: Bytes,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    append_headers(response.headers_mut(), headers);
    response.headers_mut().append(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Appends headers, which their creators have validated. An invalid header would be skipped.
fn append_headers(map: &mut HeaderMap, headers: &Headers) {
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_maybe_shared(value.clone()))
        {
            map.append(name, value);
        }
    }
}
