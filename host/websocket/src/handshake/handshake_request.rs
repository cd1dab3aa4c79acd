//! A request as it came, before anyone decided on it.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, UPGRADE};
use hyper::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL};
use hyper::http::HeaderMap;
use hyper::{Method, Request, Response, StatusCode, Version};
use percent_encoding::percent_decode_str;

use super::PeerInfo;
use super::proxy_headers::{forwarded_host, forwarded_peer};
use super::upgrade::{accept_key, bad_handshake, field_lines};
use crate::connection::Extension;
use narrowboat_config::{ProxyConfig, TokenLocation};
use narrowboat_core::handshake_response::Rejection;
use narrowboat_core::http_fields::{list_elements, parse_token, trim_ows};
use narrowboat_core::origin::{
    HostPattern, Origin, OriginPattern, host_from_authority, is_valid_authority,
};
use narrowboat_core::scope::Scope;

/// What an absolute target may begin with: a client may say what it was told, or what that stands for.
const TARGET_SCHEMES: [&str; 4] = ["http", "https", "ws", "wss"];

/// How a subprotocol begins that is a token.
const BEARER_PREFIX: &str = "bearer.";

/// One client's request to open a WebSocket, or something else that came to the same port.
#[derive(Debug)]
pub struct HandshakeRequest {
    head: Request<()>,
    /// A body is to follow, were it empty in the end.
    has_body: bool,
    peer: PeerInfo,
    /// What a proxy says that it was asked for.
    forwarded_host: Option<String>,
}

impl HandshakeRequest {
    pub(super) fn new(request: Request<Incoming>, peer: PeerInfo) -> Self {
        let has_body = !request.body().is_end_stream();
        let (parts, _) = request.into_parts();
        Self { head: Request::from_parts(parts, ()), has_body, peer, forwarded_host: None }
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
            .map_err(|_| Rejection::plain_text(400, "the path is not UTF-8\n"))
    }

    /// Whether a document is asked for: GET or HEAD, and nothing of a WebSocket handshake.
    pub fn is_page_request(&self) -> bool {
        let headers = self.head.headers();
        let handshake = ["upgrade", "sec-websocket-key", "sec-websocket-version"];
        matches!(*self.head.method(), Method::GET | Method::HEAD)
            && !handshake.iter().any(|name| headers.contains_key(*name))
    }

    /// Whether this is a handshake as RFC 6455, section 4.2.1, asks for.
    ///
    /// # Errors
    /// 405 for a method other than GET, 426 for a plain GET or another version, 400 for the rest.
    pub fn check_upgrade(&self) -> Result<(), Rejection> {
        self.switching_response().map(|_| ())
    }

    /// Whom the proxies before this host say that it comes from, and for which host.
    ///
    /// # Errors
    /// 400 where one of them says what cannot be read.
    pub fn with_forwarded_headers(self, proxies: &ProxyConfig) -> Result<Self, Rejection> {
        let headers = self.head.headers();
        let forwarded_host = forwarded_host(headers, self.peer, proxies)?;
        let peer = forwarded_peer(headers, self.peer, proxies)?;
        Ok(Self { peer, forwarded_host, ..self })
    }

    /// The host that it names, without a port; `None` too where what it names cannot be one.
    pub fn host(&self) -> Option<&str> {
        if let Some(host) = &self.forwarded_host {
            return Some(host);
        }
        self.singleton_field("host").and_then(host_from_authority)
    }

    /// Whether the host it names is one of these.
    ///
    /// # Errors
    /// 400, as Django answers.
    pub fn check_host(&self, hosts: &[HostPattern]) -> Result<(), Rejection> {
        if self.host().is_some_and(|host| hosts.iter().any(|pattern| pattern.matches(host))) {
            Ok(())
        } else {
            Err(Rejection::plain_text(400, "host not allowed\n"))
        }
    }

    /// Whether the page it comes from is of one of these origins.
    ///
    /// # Errors
    /// 403, as Channels answers.
    pub fn check_origin(&self, origins: &[OriginPattern]) -> Result<(), Rejection> {
        let origin = self.singleton_field("origin").and_then(Origin::parse);
        if origins.iter().any(|pattern| pattern.matches(origin.as_ref())) {
            Ok(())
        } else {
            Err(Rejection::plain_text(403, "origin not allowed\n"))
        }
    }

    /// The value of a header that comes once; two could be read in two ways.
    fn singleton_field(&self, name: &str) -> Option<&str> {
        let mut values = self.head.headers().get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    }

    /// The 101, if there may be one.
    pub(super) fn switching_response(&self) -> Result<Response<Full<Bytes>>, Rejection> {
        let accept = accept_key(&self.head)?;
        if self.extensions().is_none() {
            return Err(bad_handshake("malformed Sec-WebSocket-Extensions"));
        }
        // Where the WebSocket begins must not depend on how much of a body has come (RFC 9110, section 7.8).
        if self.has_body {
            return Err(bad_handshake("a WebSocket handshake must not have a body"));
        }
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().extend([
            (CONNECTION, HeaderValue::from_static("Upgrade")),
            (UPGRADE, HeaderValue::from_static("websocket")),
            (SEC_WEBSOCKET_ACCEPT, accept),
        ]);
        Ok(response)
    }

    /// Whether it says what it asks for, as RFC 9112, section 3.2, has it: one `Host`, whatever the target is, and a
    /// host in the target, if that is an absolute one.
    ///
    /// # Errors
    /// 400 otherwise.
    pub(super) fn check_target(&self) -> Result<(), Rejection> {
        let wrong = |why| Err(Rejection::plain_text(400, why));
        let mut hosts = field_lines(self.head.headers(), &HOST);
        match (hosts.next(), hosts.next()) {
            (None, _) if self.head.version() < Version::HTTP_11 => {}
            (None, _) => return wrong("missing Host header\n"),
            (Some(_), Some(_)) => return wrong("duplicate Host header\n"),
            (Some(host), None) if !is_valid_authority(trim_ows(host)) => {
                return wrong("invalid Host header\n");
            }
            (Some(_), None) => {}
        }
        let uri = self.head.uri();
        let is_known =
            |scheme: &str| TARGET_SCHEMES.iter().any(|it| it.eq_ignore_ascii_case(scheme));
        let is_known = uri.scheme_str().is_none_or(is_known);
        if !is_known
            || uri.authority().is_some_and(|it| !is_valid_authority(it.as_str().as_bytes()))
        {
            return wrong("unsupported request target\n");
        }
        Ok(())
    }

    /// Has the host of an absolute target replace what the `Host` header says, which must be ignored then (RFC 9112,
    /// section 3.2.2), so that all who look at the headers see the host that is checked.
    pub(super) fn replace_host(&mut self) {
        let authority = self.head.uri().authority();
        if let Some(host) = authority.and_then(|it| HeaderValue::from_str(it.as_str()).ok()) {
            self.head.headers_mut().insert(HOST, host);
        }
    }

    /// The handshake as a consumer sees it; `path` decoded, with what the route caught.
    pub fn into_scope(
        self,
        path: String,
        url_route: Vec<(String, String)>,
        user: Option<String>,
    ) -> Scope {
        let uri = self.head.uri();
        Scope {
            scheme: if self.peer.is_secure { "wss" } else { "ws" },
            path,
            raw_path: Bytes::copy_from_slice(uri.path().as_bytes()),
            query_string: Bytes::copy_from_slice(uri.query().unwrap_or_default().as_bytes()),
            subprotocols: self.subprotocols(),
            client: self.peer.client_addr,
            server: self.peer.server_addr,
            url_route,
            user,
            attributes: Vec::new(),
            headers: copy_headers(self.head.into_parts().0.headers),
        }
    }

    /// What extensions the client offers; `None` where that cannot be read.
    pub(super) fn extensions(&self) -> Option<Vec<Extension>> {
        Extension::parse_all(field_lines(self.head.headers(), &SEC_WEBSOCKET_EXTENSIONS))
    }

    /// The client's address.
    pub fn client_addr(&self) -> SocketAddr {
        self.peer.client_addr
    }

    /// The values of a header, as they came.
    pub fn header_values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.head.headers().get_all(name).iter().map(HeaderValue::as_bytes)
    }

    /// The token that it has in this place, if it has one there.
    pub fn bearer_token(&self, place: &TokenLocation) -> Option<String> {
        match place {
            TokenLocation::Header => {
                let (scheme, token) = self.singleton_field("authorization")?.split_once(' ')?;
                scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
            }
            TokenLocation::Cookie(name) => {
                let cookies = self.head.headers().get_all("cookie").iter();
                let cookies = cookies.filter_map(|value| value.to_str().ok());
                let mut pairs = cookies
                    .flat_map(|value| value.split(';'))
                    .filter_map(|pair| pair.split_once('='));
                pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
            }
            TokenLocation::Query(name) => {
                let query = self.head.uri().query().unwrap_or_default();
                let mut pairs = form_urlencoded::parse(query.as_bytes());
                pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
            }
            TokenLocation::Subprotocol => self
                .offered_subprotocols()
                .find_map(|name| name.strip_prefix(BEARER_PREFIX).map(str::to_owned)),
        }
    }

    /// Those the client offers, over all its `Sec-WebSocket-Protocol` headers (RFC 6455, 11.3.4).
    fn offered_subprotocols(&self) -> impl Iterator<Item = &str> {
        list_elements(field_lines(self.head.headers(), &SEC_WEBSOCKET_PROTOCOL))
            .filter_map(parse_token)
    }

    /// The same without what is a token, which no consumer can mean.
    fn subprotocols(&self) -> Vec<String> {
        let names = self.offered_subprotocols().filter(|name| !name.starts_with(BEARER_PREFIX));
        names.map(str::to_owned).collect()
    }
}

/// The headers with copies of their values, which would keep all that the handshake was read into.
fn copy_headers(headers: HeaderMap) -> Vec<(HeaderName, Bytes)> {
    let mut all: Vec<(HeaderName, Bytes)> = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        // A value without a name is a further one of the header before.
        let Some(name) = name.or_else(|| Some(all.last()?.0.clone())) else { continue };
        all.push((name, Bytes::copy_from_slice(value.as_bytes())));
    }
    all
}
