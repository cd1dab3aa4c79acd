use std::collections::BTreeMap;

use serde::Serialize;

/// The request of a client for a connection.
///
/// ```
/// use narrowboat_guest::testing::ConnectRequest;
///
/// let request = ConnectRequest::new("/chat/red/?colour=blue")
///     .url_route("room", "red")
///     .header("origin", "https://example.com")
///     .subprotocol("chat.v2")
///     .user(&serde_json::json!({ "sub": "ada" }));
/// # let _ = request;
/// ```
#[derive(Clone, Debug)]
pub struct ConnectRequest {
    pub(super) path: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) subprotocols: Vec<String>,
    pub(super) user: Option<String>,
    pub(super) url_route: BTreeMap<String, String>,
    pub(super) client: Option<(String, u16)>,
}

impl ConnectRequest {
    /// Creates a request for a path, which may have a query: `/chat/red/?colour=blue`.
    #[must_use]
    pub fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            headers: Vec::new(),
            subprotocols: Vec::new(),
            user: None,
            url_route: BTreeMap::new(),
            client: None,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.as_ref().to_owned()));
        self
    }

    /// Offers a subprotocol. The first one is the one that the client prefers.
    #[must_use]
    pub fn subprotocol(mut self, name: &str) -> Self {
        self.subprotocols.push(name.to_owned());
        self
    }

    /// Sets the claims of the authenticated user, which [`Scope::user`](crate::Scope::user) has as JSON.
    ///
    /// # Panics
    /// If the claims cannot be written as JSON.
    #[must_use]
    #[track_caller]
    pub fn user<T: Serialize + ?Sized>(mut self, claims: &T) -> Self {
        match serde_json::to_string(claims) {
            Ok(claims) => self.user = Some(claims),
            Err(error) => panic!("the claims of the user cannot be written as JSON: {error}"),
        }
        self
    }

    /// Sets a value that the route captures, which [`Scope::path_param`](crate::Scope::path_param) returns. In `cargo
    /// test` there are no routes, so the test has to set each value. Under `narrowboat test` it replaces the value that
    /// the route has captured.
    #[must_use]
    pub fn url_route(mut self, name: &str, value: &str) -> Self {
        self.url_route.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets the address and the port of the client.
    #[must_use]
    pub fn client(mut self, address: &str, port: u16) -> Self {
        self.client = Some((address.to_owned(), port));
        self
    }
}

impl From<&str> for ConnectRequest {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

impl From<String> for ConnectRequest {
    fn from(path: String) -> Self {
        Self::new(&path)
    }
}
