//! The request of an opening handshake.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::header::{SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL};
use hyper::http::HeaderMap;
use hyper::{Method, Request, Response, Version};
use percent_encoding::percent_decode_str;

use super::body_error::BodyError;
use super::forwarded_headers::{forwarded_host, forwarded_peer};
use super::peer_info::PeerInfo;
use super::response::switching_protocols;
use super::upgrade::{accept_key, field_lines};
use crate::connection::Extension;
use narrowboat_config::{ProxyConfig, TokenLocation};
use narrowboat_core::handshake_response::{HostRejection, Rejection};
use narrowboat_core::header_list::HeaderList;
use narrowboat_core::http_fields::{list_elements, parse_token, trim_ows};
use narrowboat_core::origin::{
    HostPattern, Origin, OriginPattern, host_from_authority, is_valid_authority,
};
use narrowboat_core::scope::Scope;

/// The schemes of an absolute request target. Clients may use those of WebSocket URLs or those of HTTP.
const TARGET_SCHEMES: [&str; 4] = ["http", "https", "ws", "wss"];

/// The prefix of an offered subprotocol that carries a bearer token.
const BEARER_PREFIX: &str = "bearer.";

/// A request of a client: usually one to open a WebSocket, but it may be any HTTP request.
#[derive(Debug)]
pub struct HandshakeRequest {
    head: Request<()>,
    /// The body, which is read only on demand. It may be announced and turn out to be empty.
    body: Incoming,
    peer: PeerInfo,
    /// The host in `X-Forwarded-Host`, if a trusted proxy sent it.
    forwarded_host: Option<String>,
    scope_overrides: ScopeOverrides,
}

/// The parts of the scope that a test sets. Where a field is `None`, the route and the authentication decide.
#[derive(Debug, Clone, Default)]
pub struct ScopeOverrides {
    /// The named captures of the route.
    pub url_route: Option<Vec<(String, String)>>,
    /// The claims of the user, as JSON.
    pub user: Option<String>,
}

impl HandshakeRequest {
    /// A request whose body has not been read.
    pub(super) fn new(request: Request<Incoming>, peer: PeerInfo) -> Self {
        let (parts, body) = request.into_parts();
        Self {
            head: Request::from_parts(parts, ()),
            body,
            peer,
            forwarded_host: None,
            scope_overrides: ScopeOverrides::default(),
        }
    }

    /// Sets the parts of the scope that a test decides.
    #[must_use]
    pub fn with_scope_overrides(self, scope_overrides: ScopeOverrides) -> Self {
        Self { scope_overrides, ..self }
    }

    /// Returns the method.
    pub fn method(&self) -> &Method {
        self.head.method()
    }

    /// Returns the version of HTTP.
    pub fn version(&self) -> Version {
        self.head.version()
    }

    /// Reads the body, which may have `limit` bytes. The time-out of the handshake bounds the time. A second call returns
    /// no bytes.
    ///
    /// # Errors
    /// If the body is larger, or is cut off or malformed.
    pub async fn read_body(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        match Limited::new(&mut self.body, limit).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge(limit)),
            Err(_) => Err(BodyError::Incomplete),
        }
    }

    /// Returns the path as the client sent it, percent-encoded.
    pub fn raw_path(&self) -> &str {
        self.head.uri().path()
    }

    /// Returns the percent-decoded path.
    ///
    /// # Errors
    /// 400 if the path is not UTF-8.
    pub fn path(&self) -> Result<String, Rejection> {
        percent_decode_str(self.head.uri().path())
            .decode_utf8()
            .map(std::borrow::Cow::into_owned)
            .map_err(|_| HostRejection::InvalidPath.into())
    }

    /// Returns whether this is a GET or HEAD request without headers of a WebSocket handshake.
    pub fn is_page_request(&self) -> bool {
        let headers = self.head.headers();
        let handshake_headers = ["upgrade", "sec-websocket-key", "sec-websocket-version"];
        matches!(*self.head.method(), Method::GET | Method::HEAD)
            && !handshake_headers.iter().any(|name| headers.contains_key(*name))
    }

    /// Checks that this is a valid handshake by RFC 6455, section 4.2.1.
    ///
    /// # Errors
    /// 405 for a method other than GET, 426 for a GET without an upgrade or for another version, 400 for any other
    /// error.
    pub fn check_upgrade(&self) -> Result<(), Rejection> {
        self.switching_response().map(|_| ())
    }

    /// Replaces the client's address, the scheme and the host by those in the `X-Forwarded-*` headers of trusted
    /// proxies.
    ///
    /// # Errors
    /// 400 if a trusted proxy sent an invalid header.
    pub fn with_forwarded_headers(self, proxies: &ProxyConfig) -> Result<Self, Rejection> {
        let headers = self.head.headers();
        let forwarded_host = forwarded_host(headers, self.peer, proxies)?;
        let peer = forwarded_peer(headers, self.peer, proxies)?;
        Ok(Self { peer, forwarded_host, ..self })
    }

    /// Returns the requested host without a port. `None` means that the host is missing or invalid.
    pub fn host(&self) -> Option<&str> {
        if let Some(host) = &self.forwarded_host {
            return Some(host);
        }
        self.singleton_field("host").and_then(host_from_authority)
    }

    /// Checks that the requested host matches one of these patterns.
    ///
    /// # Errors
    /// 400 if it matches none, as in Django.
    pub fn check_host(&self, hosts: &[HostPattern]) -> Result<(), Rejection> {
        if self.host().is_some_and(|host| hosts.iter().any(|pattern| pattern.matches(host))) {
            Ok(())
        } else {
            Err(HostRejection::HostNotAllowed.into())
        }
    }

    /// Checks that the `Origin` header matches one of these patterns.
    ///
    /// # Errors
    /// 403 if it matches none, as in Django Channels.
    pub fn check_origin(&self, origins: &[OriginPattern]) -> Result<(), Rejection> {
        let origin = self.singleton_field("origin").and_then(Origin::parse);
        if origins.iter().any(|pattern| pattern.matches(origin.as_ref())) {
            Ok(())
        } else {
            Err(HostRejection::OriginNotAllowed.into())
        }
    }

    /// Returns the value of a header that has one line. Two lines would be ambiguous, so they count as none.
    pub fn singleton_field(&self, name: &str) -> Option<&str> {
        let mut values = self.head.headers().get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    }

    /// Checks that this is a valid handshake, and returns the 101 for it.
    ///
    /// # Errors
    /// Those of [`check_upgrade`](Self::check_upgrade).
    pub(super) fn switching_response(&self) -> Result<Response<Full<Bytes>>, Rejection> {
        let accept_key = accept_key(&self.head)?;
        if self.extensions().is_none() {
            return Err(HostRejection::InvalidExtensions.into());
        }
        // The WebSocket would begin after the body (RFC 9110, section 7.8), which this host does not read.
        if !self.body.is_end_stream() {
            return Err(HostRejection::UnexpectedBody.into());
        }
        Ok(switching_protocols(accept_key))
    }

    /// Checks the request target by RFC 9112, section 3.2: there is one valid `Host` header, and an absolute target has
    /// a known scheme and a valid host.
    ///
    /// # Errors
    /// 400 if the target or the `Host` header is invalid.
    pub(super) fn check_target(&self) -> Result<(), Rejection> {
        let mut hosts = field_lines(self.head.headers(), &HOST);
        match (hosts.next(), hosts.next()) {
            (None, _) if self.head.version() < Version::HTTP_11 => {}
            (None, _) => return Err(HostRejection::MissingHost.into()),
            (Some(_), Some(_)) => return Err(HostRejection::DuplicateHost.into()),
            (Some(host), None) if !is_valid_authority(trim_ows(host)) => {
                return Err(HostRejection::InvalidHost.into());
            }
            (Some(_), None) => {}
        }
        let uri = self.head.uri();
        let is_known_scheme =
            |scheme: &str| TARGET_SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme));
        let has_invalid_host = uri
            .authority()
            .is_some_and(|authority| !is_valid_authority(authority.as_str().as_bytes()));
        if !uri.scheme_str().is_none_or(is_known_scheme) || has_invalid_host {
            return Err(HostRejection::UnsupportedTarget.into());
        }
        Ok(())
    }

    /// Replaces the `Host` header by the host of an absolute target, which takes precedence (RFC 9112, section 3.2.2).
    /// Every later reader of the headers then sees the host that was checked.
    pub(super) fn replace_host(&mut self) {
        let authority = self.head.uri().authority();
        let host = authority.and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
        if let Some(host) = host {
            self.head.headers_mut().insert(HOST, host);
        }
    }

    /// Converts the request into the scope that a consumer gets. `path` is the decoded path below the tenant,
    /// `url_route` are the captures of the route, and `user` is the authenticated user.
    pub fn into_scope(
        mut self,
        path: String,
        url_route: Vec<(String, String)>,
        user: Option<String>,
    ) -> Scope {
        let overrides = std::mem::take(&mut self.scope_overrides);
        let url_route = overrides.url_route.unwrap_or(url_route);
        let user = overrides.user.or(user);
        let uri = self.head.uri();
        Scope {
            scheme: if self.peer.is_secure { "wss" } else { "ws" },
            path,
            raw_path: uri.path().as_bytes().into(),
            query_string: uri.query().unwrap_or_default().as_bytes().into(),
            subprotocols: self.subprotocols(),
            client: self.peer.client_addr,
            server: self.peer.server_addr,
            url_route,
            user,
            attributes: Vec::new(),
            headers: copy_headers(self.head.headers()),
        }
    }

    /// Returns the extensions that the client offers. `None` means that the header is malformed.
    pub(super) fn extensions(&self) -> Option<Vec<Extension>> {
        Extension::parse_all(field_lines(self.head.headers(), &SEC_WEBSOCKET_EXTENSIONS))
    }

    /// Returns the client's address.
    pub fn client_addr(&self) -> SocketAddr {
        self.peer.client_addr
    }

    /// Returns the addresses of both ends, and whether the client uses TLS.
    pub fn peer(&self) -> &PeerInfo {
        &self.peer
    }

    /// Returns the values of all lines of a header.
    pub fn header_values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.head.headers().get_all(name).iter().map(HeaderValue::as_bytes)
    }

    /// Returns the names of the headers, in lower case.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.head.headers().keys().map(HeaderName::as_str)
    }

    /// Returns the bearer token at this location of the request.
    pub fn bearer_token(&self, location: &TokenLocation) -> Option<String> {
        match location {
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

    /// Returns the subprotocols in all `Sec-WebSocket-Protocol` headers (RFC 6455, section 11.3.4).
    fn offered_subprotocols(&self) -> impl Iterator<Item = &str> {
        list_elements(field_lines(self.head.headers(), &SEC_WEBSOCKET_PROTOCOL))
            .filter_map(parse_token)
    }

    /// Returns the offered subprotocols for the consumer, without those that carry a bearer token.
    fn subprotocols(&self) -> Vec<String> {
        let names = self.offered_subprotocols().filter(|name| !name.starts_with(BEARER_PREFIX));
        names.map(str::to_owned).collect()
    }
}

/// Copies the headers. The values of hyper share its read buffer, and would keep all of it in memory.
fn copy_headers(headers: &HeaderMap) -> HeaderList {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}
