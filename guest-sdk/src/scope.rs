use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::bindings::narrowboat::consumer::types;

/// What is known of a connection when its handshake arrives. A consumer that needs some of it often
/// keeps that as a field; [`Connection::scope`](crate::Connection::scope) has it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// `ws` or `wss`.
    pub scheme: String,
    /// The request's path, percent-decoded, as the route matched it.
    pub path: String,
    /// The request's path as the client wrote it.
    pub raw_path: Vec<u8>,
    /// What followed the `?`, as the client wrote it. [`Scope::query_param`] decodes it.
    pub query_string: Vec<u8>,
    /// The request's headers in order; names are lower case, values are raw bytes.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Subprotocols the client offers, in its order of preference.
    pub subprotocols: Vec<String>,
    /// The client's address and port.
    pub client: Option<(String, u16)>,
    /// The address and port it connected to.
    pub server: Option<(String, u16)>,
    /// Named captures of the matched route. [`Scope::path_param`] looks one up.
    pub url_route: Vec<(String, String)>,
    /// Who the host's authenticator says this is: its claims as JSON.
    pub user: Option<String>,
    /// Whatever else the host has to tell.
    pub attributes: Vec<(String, String)>,
}

impl Scope {
    /// What the matched route captured under `name`.
    pub fn path_param(&self, name: &str) -> Option<&str> {
        find_value(&self.url_route, name)
    }

    /// What the host says under `name` beyond the fields here.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        find_value(&self.attributes, name)
    }

    /// Whether this connection had a consumer before, which was lost with its state when the plugin
    /// changed: the one that `connect` makes takes its place on a socket that is open already.
    pub fn is_restarted(&self) -> bool {
        self.attribute("restarted").is_some()
    }

    /// The first header of this name, in any case, if its value is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The first value of `key` in the query string, decoded by the rules of HTML forms.
    pub fn query_param(&self, key: &str) -> Option<String> {
        self.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
    }

    /// Each key and value of the query string in order, decoded by the rules of HTML forms: `+` is
    /// a space, and what is no UTF-8 becomes U+FFFD.
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
    fn query_follows_form_rules() {
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
    fn a_query_that_is_no_utf_8_does_no_harm() {
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
