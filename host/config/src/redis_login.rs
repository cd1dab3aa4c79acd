//! The login of a server of Redis, which may change while the host runs.

use percent_encoding::percent_decode_str;
use url::Url;

use super::redis_endpoint::Endpoint;
use super::secret::{Secret, SecretText};

/// The user and the password for one connection.
#[derive(Debug, Clone, Default)]
pub struct RedisLogin {
    /// The user; `None`: the user `default` of Redis.
    pub username: Option<String>,
    /// The password; `None`: no login.
    pub password: Option<SecretText>,
}

/// The login in a URL that the configuration refers to. A new password in the URL is used for the next connection. A URL
/// that names another server needs a reload of the configuration, so that all connections change together.
#[derive(Debug, Clone)]
pub struct UrlLogin {
    url: Secret,
    /// The URL when the configuration was read.
    initial: SecretText,
}

impl UrlLogin {
    /// The login in this URL.
    pub(super) fn new(url: Secret) -> Self {
        let initial = url.expose();
        Self { url, initial }
    }

    /// Returns the login of this moment. A URL that now names another server than `endpoint` does not count.
    pub(super) fn login(&self, endpoint: Option<&Endpoint>) -> RedisLogin {
        let current = parse_url(&self.url.expose());
        let current = current.filter(|(server, _)| is_same_server(server, endpoint));
        current.or_else(|| parse_url(&self.initial)).map(|(_, login)| login).unwrap_or_default()
    }

    /// Returns whether the URL now names another server than `endpoint`.
    pub(super) fn has_moved(&self, endpoint: &Endpoint) -> bool {
        let current = parse_url(&self.url.expose());
        current.is_some_and(|(server, _)| !is_same_server(&server, Some(endpoint)))
    }
}

impl PartialEq for UrlLogin {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl Eq for UrlLogin {}

/// Returns whether a URL names the expected server. The path of a socket may be relative, so that it is not compared.
fn is_same_server(server: &Endpoint, expected: Option<&Endpoint>) -> bool {
    match (server, expected) {
        (Endpoint::Tcp(..), Some(expected)) => server == expected,
        _ => true,
    }
}

/// Parses the server and the login of a URL.
fn parse_url(text: &str) -> Option<(Endpoint, RedisLogin)> {
    let url = Url::parse(text).ok()?;
    let endpoint = match url.scheme() {
        "unix" => Endpoint::Unix(url.path().into()),
        _ => Endpoint::of_tcp_url(&url),
    };
    Some((endpoint, login_of(&url)))
}

/// Returns the login of a URL: its parameters `username` and `password`, or else those before its host.
pub(super) fn login_of(url: &Url) -> RedisLogin {
    let mut login = RedisLogin {
        username: percent_decode(url.username()),
        password: url.password().and_then(percent_decode).map(SecretText::from),
    };
    for (name, value) in url.query_pairs() {
        match &*name {
            "username" => login.username = Some(value.into_owned()),
            "password" => login.password = Some(SecretText::from(value.into_owned())),
            _ => {}
        }
    }
    login
}

/// Decodes a part of a URL; `None` if it is empty.
pub(super) fn percent_decode(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8_lossy().into_owned();
    (!decoded.is_empty()).then_some(decoded)
}
