//! A request as it came, before anyone decided on it.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Method, Request, Response};
use percent_encoding::percent_decode_str;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use crate::answer::Rejection;
use crate::scope::Scope;

/// One client's request to open a WebSocket, or something else that came to the same port.
#[derive(Debug)]
pub struct Opening {
    head: Request<()>,
    client: SocketAddr,
    server: SocketAddr,
}

impl Opening {
    pub(super) fn new(request: Request<Incoming>, client: SocketAddr, server: SocketAddr) -> Self {
        let (parts, _) = request.into_parts();
        Self { head: Request::from_parts(parts, ()), client, server }
    }

    /// The path as it came, for the log.
    pub fn raw_path(&self) -> &str {
        self.head.uri().path()
    }

    /// The percent-decoded path.
    ///
    /// # Errors
    /// 400 where it is not UTF-8.
    pub fn path(&self) -> Result<String, Rejection> {
        percent_decode_str(self.head.uri().path())
            .decode_utf8()
            .map(std::borrow::Cow::into_owned)
            .map_err(|_| Rejection::plain(400, "the path is not UTF-8\n"))
    }

    /// Whether a document is asked for: GET or HEAD, and nothing of a WebSocket handshake.
    pub fn wants_document(&self) -> bool {
        let headers = self.head.headers();
        let handshake = ["upgrade", "sec-websocket-key", "sec-websocket-version"];
        matches!(*self.head.method(), Method::GET | Method::HEAD)
            && self.names_host()
            && !handshake.iter().any(|name| headers.contains_key(*name))
    }

    /// Whether this is a handshake as RFC 6455, section 4.2.1, asks for.
    ///
    /// # Errors
    /// 405 for a method other than GET, 426 for a plain GET or another version, 400 for the rest.
    pub fn check_upgrade(&self) -> Result<(), Rejection> {
        self.switching().map(|_| ())
    }

    /// The 101, if there may be one.
    pub(super) fn switching(&self) -> Result<Response<Full<Bytes>>, Rejection> {
        if !self.names_host() {
            return Err(Rejection::plain(400, "the request names no host\n"));
        }
        create_response_with_body(&self.head, Full::default).map_err(|error| match error {
            Error::Protocol(ProtocolError::WrongHttpMethod) => {
                Rejection::plain(405, "a WebSocket is opened with GET\n")
                    .with_header("allow", "GET")
            }
            Error::Protocol(
                ProtocolError::MissingConnectionUpgradeHeader
                | ProtocolError::MissingUpgradeWebSocketHeader,
            ) if !self.head.headers().contains_key("sec-websocket-key") => upgrade_required(
                "this address speaks WebSocket; open it with ws:// from a WebSocket client\n",
            ),
            Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader)
                if self.head.headers().contains_key("sec-websocket-version") =>
            {
                upgrade_required("only version 13 of WebSocket is spoken here\n")
            }
            error => Rejection::plain(400, format!("bad WebSocket handshake: {error}\n")),
        })
    }

    /// As RFC 6455, section 4.2.1, and RFC 9112, section 3.2, ask for.
    fn names_host(&self) -> bool {
        self.head.headers().contains_key("host") || self.head.uri().authority().is_some()
    }

    /// The handshake as a consumer sees it; `path` decoded, with what the route caught.
    pub fn scope(&self, path: String, url_route: Vec<(String, String)>) -> Scope {
        let headers = self.head.headers().iter().map(|(name, value)| {
            (name.as_str().to_owned(), Bytes::copy_from_slice(value.as_bytes()))
        });
        let uri = self.head.uri();
        Scope {
            scheme: "ws".to_owned(),
            path,
            raw_path: Bytes::copy_from_slice(uri.path().as_bytes()),
            query_string: Bytes::copy_from_slice(uri.query().unwrap_or_default().as_bytes()),
            headers: headers.collect(),
            subprotocols: self.subprotocols(),
            client: self.client,
            server: self.server,
            url_route,
            attributes: Vec::new(),
        }
    }

    /// What extensions the client offers (RFC 6455, section 9.1).
    pub(super) fn extensions(&self) -> Vec<HeaderValue> {
        self.head.headers().get_all("sec-websocket-extensions").iter().cloned().collect()
    }

    /// Those the client offers, over all its `Sec-WebSocket-Protocol` headers (RFC 6455, 11.3.4).
    fn subprotocols(&self) -> Vec<String> {
        let offers = self.head.headers().get_all("sec-websocket-protocol");
        let offers = offers.iter().filter_map(|value| value.to_str().ok());
        offers
            .flat_map(|value| value.split(','))
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect()
    }
}

/// RFC 9110, section 15.5.22, and RFC 6455, section 4.4: with what would be understood.
fn upgrade_required(why: &str) -> Rejection {
    let mut rejection = Rejection::plain(426, why);
    for (name, value) in
        [("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-version", "13")]
    {
        rejection = rejection.with_header(name, value);
    }
    rejection
}
