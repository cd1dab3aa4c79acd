//! The servers that a plugin sends requests to. In a test they are rules with responses.

use serde::Serialize;

/// The requests to which a rule of a test applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRule {
    pub(super) method: Option<String>,
    pub(super) url: String,
    pub(super) times: Option<u32>,
}

impl RequestRule {
    /// Matches requests with any method for a URL. A `*` at the end of the URL stands for any text.
    #[must_use]
    pub fn any(url: &str) -> Self {
        Self { method: None, url: url.to_owned(), times: None }
    }

    /// Matches requests with this method for a URL. A `*` at the end of the URL stands for any text.
    #[must_use]
    pub fn method(method: &str, url: &str) -> Self {
        Self { method: Some(method.to_ascii_uppercase()), ..Self::any(url) }
    }

    /// Applies the rule only to the next `count` requests that it matches. Later ones fall back to older rules.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.times = Some(count);
        self
    }

    /// Whether the rule applies to a request.
    pub(super) fn matches(&self, method: &str, url: &str) -> bool {
        let matches_url = match self.url.strip_suffix('*') {
            Some(prefix) => url.starts_with(prefix),
            None => url == self.url,
        };
        matches_url && self.times != Some(0) && self.method.as_ref().is_none_or(|own| own == method)
    }
}

impl From<&str> for RequestRule {
    fn from(url: &str) -> Self {
        Self::any(url)
    }
}

/// The response of a server of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeResponse {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

impl FakeResponse {
    /// Creates a response with an HTTP status and no body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// Creates a response with status 200 and a JSON body.
    ///
    /// # Panics
    /// If the value cannot be written as JSON.
    #[must_use]
    #[track_caller]
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::new(200).header("content-type", "application/json").body(body),
            Err(error) => panic!("the response cannot be written as JSON: {error}"),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.as_ref().to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

/// The way in which a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFailure {
    /// The server refuses the connection.
    Refused,
    /// The server does not answer in time: [`HttpError::Timeout`](crate::http::HttpError::Timeout).
    Timeout,
    /// The name of the server has no address.
    Dns,
    /// The server closes the connection before it has responded.
    Closed,
}

impl RequestFailure {
    /// The name of the failure in the protocol of `narrowboat test`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Closed => "closed",
        }
    }
}

/// A request that the plugin has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentRequest {
    /// The method in capital letters.
    pub method: String,
    /// The URL.
    pub url: String,
    /// The headers in order: names in lower case, values as raw bytes.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl SentRequest {
    /// The body as text. Bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
