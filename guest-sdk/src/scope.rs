use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::bindings::narrowboat::consumer::types;

/// The data of a connection's handshake. In Django Channels: `self.scope`.
///
/// [`Connection::scope`](crate::Connection::scope) returns it again later, as a copy. A consumer that needs a value
/// often should store it in a field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// `ws` or `wss`.
    pub scheme: String,
    /// The path of the request, percent-decoded. The route matched this path.
    pub path: String,
    /// The path of the request as the client sent it.
    pub raw_path: Vec<u8>,
    /// The part of the URL after `?`, as the client sent it. [`Scope::query_param`] decodes it.
    pub query_string: Vec<u8>,
    /// The headers of the request in order: names in lower case, values as raw bytes.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The subprotocols that the client offers, in its order of preference.
    pub subprotocols: Vec<String>,
    /// The client's address and port.
    pub client: Option<(String, u16)>,
    /// The host's address and port that the client connected to.
    pub server: Option<(String, u16)>,
    /// The named captures of the matched route. [`Scope::path_param`] finds one by name. In Django Channels:
    /// `scope["url_route"]["kwargs"]`.
    pub url_route: Vec<(String, String)>,
    /// The claims of the authenticated user as JSON; `None` without authentication. In Django Channels:
    /// `scope["user"]`.
    pub user: Option<String>,
    /// Further values from the host by name, such as `restarted`.
    pub attributes: Vec<(String, String)>,
}

impl Scope {
    /// The value that the matched route captured as `name`.
    pub fn path_param(&self, name: &str) -> Option<&str> {
        find_value(&self.url_route, name)
    }

    /// The value of `name` in [`Scope::attributes`].
    pub fn attribute(&self, name: &str) -> Option<&str> {
        find_value(&self.attributes, name)
    }

    /// Whether this connection is already open and its earlier consumer was lost with its state, because it could not
    /// move to another version. The consumer that `connect` creates replaces it.
    pub fn is_restarted(&self) -> bool {
        self.attribute("restarted").is_some()
    }

    /// The value of the first header with this name, in upper or lower case. `None` if the value is not UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The first value of `key` in the query string, decoded as `application/x-www-form-urlencoded`.
    pub fn query_param(&self, key: &str) -> Option<String> {
        self.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
    }

    /// The keys and values of the query string in order, decoded as `application/x-www-form-urlencoded`: `+` is a
    /// space, and bytes that are not UTF-8 become U+FFFD.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        form_urlencoded::parse(&self.query_string)
    }
}

fn find_value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

impl From<types::Scope> for Scope {
    fn from(scope: types::Scope) -> Self {
        Self {
            scheme: scope.scheme,
            path: scope.path,
            raw_path: scope.raw_path,
            query_string: scope.query_string,
            headers: scope.headers,
            subprotocols: scope.subprotocols,
            client: scope.client,
            server: scope.server,
            url_route: scope.url_route,
            user: scope.user,
            attributes: scope.attributes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_query(query: &str) -> Scope {
        Scope { query_string: query.into(), ..Scope::default() }
    }

    #[test]
    fn the_query_string_is_decoded_as_a_form() {
        let scope = with_query("a=1&b=x+y%2Fz&&empty=&bare&a=2&%E4%BD%A0=%E5%A5%BD&odd=%zz");
        assert_eq!(scope.query_param("a").as_deref(), Some("1"));
        assert_eq!(scope.query_param("b").as_deref(), Some("x y/z"));
        assert_eq!(scope.query_param("empty").as_deref(), Some(""));
        assert_eq!(scope.query_param("bare").as_deref(), Some(""));
        assert_eq!(scope.query_param("你").as_deref(), Some("好"));
        assert_eq!(scope.query_param("odd").as_deref(), Some("%zz"));
        assert_eq!(scope.query_param("absent"), None);
        assert_eq!(scope.query_pairs().filter(|(key, _)| key == "a").count(), 2);
    }

    #[test]
    fn bytes_of_a_query_that_are_not_utf_8_are_replaced() {
        assert_eq!(with_query("a=%FF").query_param("a").as_deref(), Some("\u{fffd}"));
    }

    #[test]
    fn headers_are_found_in_any_case() {
        let scope = Scope {
            headers: vec![("x-room".into(), b"one".to_vec()), ("raw".into(), vec![0xff])],
            ..Scope::default()
        };
        assert_eq!(scope.header("X-Room"), Some("one"));
        assert_eq!(scope.header("raw"), None);
        assert_eq!(scope.header("absent"), None);
    }

    #[test]
    fn captures_are_found_by_name() {
        let scope = Scope { url_route: vec![("room".into(), "lobby".into())], ..Scope::default() };
        assert_eq!(scope.path_param("room"), Some("lobby"));
        assert_eq!(scope.path_param("other"), None);
    }
}
