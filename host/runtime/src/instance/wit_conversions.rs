//! Conversions between the types of the host and the types of the contract.

use bytes::Bytes;

use crate::bindings::exports::narrowboat::consumer::websocket::{
    Acceptance as GuestAcceptance, Frame as GuestFrame, Handling, Rejection as GuestRejection,
    Scope as GuestScope,
};
use crate::call::GuestReply;
use narrowboat_core::frame::Frame;
use narrowboat_core::handshake_response::{Acceptance, Rejection};
use narrowboat_core::scope::{Headers, Scope};

impl From<Handling> for GuestReply {
    fn from(handling: Handling) -> Self {
        match handling {
            Handling::Handled => Self::Done,
            Handling::UnknownType => Self::UnknownType,
        }
    }
}

impl<'a> From<&'a Frame> for GuestFrame<'a> {
    fn from(frame: &'a Frame) -> Self {
        match frame {
            Frame::Text(text) => Self::Text(text),
            Frame::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

/// Calls `call` with a scope of the guest's type, which borrows from `scope`.
pub(super) fn with_guest_scope<R>(scope: &Scope, call: impl FnOnce(GuestScope<'_>) -> R) -> R {
    let headers: Vec<(&str, &[u8])> = scope.headers.iter().collect();
    let subprotocols: Vec<&str> = scope.subprotocols.iter().map(String::as_str).collect();
    let url_route: Vec<(&str, &str)> =
        scope.url_route.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let client = (scope.client.ip().to_string(), scope.client.port());
    let server = (scope.server.ip().to_string(), scope.server.port());
    let attributes: Vec<(&str, &str)> =
        scope.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    call(GuestScope {
        scheme: scope.scheme,
        path: &scope.path,
        raw_path: &scope.raw_path,
        query_string: &scope.query_string,
        headers: &headers,
        subprotocols: &subprotocols,
        client: Some((&client.0, client.1)),
        server: Some((&server.0, server.1)),
        url_route: &url_route,
        user: scope.user.as_deref(),
        attributes: &attributes,
    })
}

impl From<GuestAcceptance> for Acceptance {
    fn from(guest: GuestAcceptance) -> Self {
        Self { subprotocol: guest.subprotocol, headers: into_headers(guest.headers) }
    }
}

impl From<GuestRejection> for Rejection {
    fn from(guest: GuestRejection) -> Self {
        Self::from_consumer(guest.status, into_headers(guest.headers), Bytes::from(guest.body))
    }
}

fn into_headers(guest: Vec<(String, Vec<u8>)>) -> Headers {
    guest.into_iter().map(|(name, value)| (name, Bytes::from(value))).collect()
}
