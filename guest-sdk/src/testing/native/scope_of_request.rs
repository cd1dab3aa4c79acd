//! The scope of a handshake of a test.

use percent_encoding::percent_decode_str;

use crate::{bindings::narrowboat::consumer::types, testing::ConnectRequest};

/// The address of a client, unless the test sets one.
const CLIENT: (&str, u16) = ("127.0.0.1", 50_000);

/// The address of the host.
const SERVER: (&str, u16) = ("127.0.0.1", 8_000);

/// Returns the scope that a host makes of a request.
///
/// # Errors
/// The percent-decoded path is not UTF-8.
pub(super) fn scope_of(request: &ConnectRequest) -> Result<types::Scope, String> {
    let (raw_path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let path = percent_decode_str(raw_path).decode_utf8();
    let path = path.map_err(|error| format!("the path {raw_path:?} is not UTF-8: {error}"))?;
    let (client, port) = match &request.client {
        Some((address, port)) => (address.as_str(), *port),
        None => CLIENT,
    };
    Ok(types::Scope {
        scheme: "ws".to_owned(),
        path: path.into_owned(),
        raw_path: raw_path.as_bytes().to_owned(),
        query_string: query.as_bytes().to_owned(),
        headers: request.headers.clone(),
        subprotocols: request.subprotocols.clone(),
        client: Some((client.to_owned(), port)),
        server: Some((SERVER.0.to_owned(), SERVER.1)),
        url_route: request.url_route.clone().into_iter().collect(),
        user: request.user.clone(),
        attributes: Vec::new(),
    })
}
