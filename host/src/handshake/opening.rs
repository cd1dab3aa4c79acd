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

use super::Peer;
use super::proxied::{forwarded, forwarded_host};
use crate::answer::Rejection;
use crate::config::{ProxyConfig, TokenPlace};
use crate::origin::{HostPattern, Origin, OriginPattern, host_of};
use crate::scope::Scope;

/// How a subprotocol begins that is a token.
const BEARER: &str = "bearer.";

/// One client's request to open a WebSocket, or something else that came to the same port.
#[derive(Debug)]
pub struct Opening {
    head: Request<()>,
    peer: Peer,
    /// What a proxy says that it was asked for.
    forwarded_host: Option<String>,
}

impl Opening {
    pub(super) fn new(request: Request<Incoming>, peer: Peer) -> Self {
        let (parts, _) = request.into_parts();
        Self { head: Request::from_parts(parts, ()), peer, forwarded_host: None }
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

    /// Whom the proxies before this host say that it comes from, and for which host.
    ///
    /// # Errors
    /// 400 where one of them says what cannot be read.
    pub fn behind(self, proxies: &ProxyConfig) -> Result<Self, Rejection> {
        let headers = self.head.headers();
        let forwarded_host = forwarded_host(headers, self.peer, proxies)?;
        let peer = forwarded(headers, self.peer, proxies)?;
        Ok(Self { peer, forwarded_host, ..self })
    }

    /// The host that it names, without a port; `None` too where what it names cannot be one.
    pub fn host(&self) -> Option<&str> {
        if let Some(host) = &self.forwarded_host {
            return Some(host);
        }
        let authority = match self.head.uri().authority() {
            Some(authority) => Some(authority.as_str()),
            None => self.only("host"),
        };
        authority.and_then(host_of)
    }

    /// Whether the host it names is one of these.
    ///
    /// # Errors
    /// 400, as Django answers.
    pub fn check_host(&self, hosts: &[HostPattern]) -> Result<(), Rejection> {
        if self.host().is_some_and(|host| hosts.iter().any(|pattern| pattern.matches(host))) {
            Ok(())
        } else {
            Err(Rejection::plain(400, "the host that the request names is not served here\n"))
        }
    }

    /// Whether the page it comes from is of one of these origins.
    ///
    /// # Errors
    /// 403, as Channels answers.
    pub fn check_origin(&self, origins: &[OriginPattern]) -> Result<(), Rejection> {
        let origin = self.only("origin").and_then(Origin::parse);
        if origins.iter().any(|pattern| pattern.matches(origin.as_ref())) {
            Ok(())
        } else {
            Err(Rejection::plain(403, "no WebSocket is opened here from this origin\n"))
        }
    }

    /// The value of a header that comes once; two could be read in two ways.
    fn only(&self, name: &str) -> Option<&str> {
        let mut values = self.head.headers().get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
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
    pub fn scope(
        &self,
        path: String,
        url_route: Vec<(String, String)>,
        user: Option<String>,
    ) -> Scope {
        let headers = self.head.headers().iter().map(|(name, value)| {
            (name.as_str().to_owned(), Bytes::copy_from_slice(value.as_bytes()))
        });
        let uri = self.head.uri();
        Scope {
            scheme: if self.peer.secure { "wss" } else { "ws" }.to_owned(),
            path,
            raw_path: Bytes::copy_from_slice(uri.path().as_bytes()),
            query_string: Bytes::copy_from_slice(uri.query().unwrap_or_default().as_bytes()),
            headers: headers.collect(),
            subprotocols: self.subprotocols(),
            client: self.peer.client,
            server: self.peer.server,
            url_route,
            user,
            attributes: Vec::new(),
        }
    }

    /// What extensions the client offers (RFC 6455, section 9.1).
    pub(super) fn extensions(&self) -> Vec<HeaderValue> {
        self.head.headers().get_all("sec-websocket-extensions").iter().cloned().collect()
    }

    /// The client's address.
    pub fn client(&self) -> SocketAddr {
        self.peer.client
    }

    /// The values of a header, as they came.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.head.headers().get_all(name).iter().map(HeaderValue::as_bytes)
    }

    /// The token that it has in this place, if it has one there.
    pub fn token(&self, place: &TokenPlace) -> Option<String> {
        match place {
            TokenPlace::Header => {
                let (scheme, token) = self.only("authorization")?.split_once(' ')?;
                scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
            }
            TokenPlace::Cookie(name) => {
                let cookies = self.head.headers().get_all("cookie").iter();
                let cookies = cookies.filter_map(|value| value.to_str().ok());
                let mut pairs = cookies
                    .flat_map(|value| value.split(';'))
                    .filter_map(|pair| pair.split_once('='));
                pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
            }
            TokenPlace::Query(name) => {
                let query = self.head.uri().query().unwrap_or_default();
                let mut pairs = form_urlencoded::parse(query.as_bytes());
                pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
            }
            TokenPlace::Subprotocol => {
                self.offered().find_map(|name| name.strip_prefix(BEARER).map(str::to_owned))
            }
        }
    }

    /// Those the client offers, over all its `Sec-WebSocket-Protocol` headers (RFC 6455, 11.3.4).
    fn offered(&self) -> impl Iterator<Item = &str> {
        let offers = self.head.headers().get_all("sec-websocket-protocol");
        let offers = offers.iter().filter_map(|value| value.to_str().ok());
        offers.flat_map(|value| value.split(',')).map(str::trim).filter(|name| !name.is_empty())
    }

    /// The same without what is a token, which no consumer can mean.
    fn subprotocols(&self) -> Vec<String> {
        let names = self.offered().filter(|name| !name.starts_with(BEARER));
        names.map(str::to_owned).collect()
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
