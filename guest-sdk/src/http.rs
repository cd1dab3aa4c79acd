//! HTTP requests to other servers. A plugin that sends requests needs the hosts under `[capabilities]` in its manifest,
//! such as `http = ["https://api.example.com", ".example.com"]`, and the operator has to grant them. A request to another
//! host fails.
//!
//! The host sends a request at once, not when the call returns, and the call waits for the response. Meanwhile the host
//! keeps serving the connection. Redirects are not followed. Requests fail while a version is on trial or saves its
//! state. The calls of a plugin that can send requests run on guest threads.
//!
//! ```
//! use narrowboat_guest::http::{HttpError, Request};
//!
//! fn weather() -> Result<String, HttpError> {
//!     let response = Request::get("https://api.example.com/weather").header("accept", "text/plain").send()?;
//!     Ok(response.text())
//! }
//! # assert!(weather().is_err(), "only a plugin that a host runs sends requests");
//! ```

use std::fmt;
use std::time::Duration;

mod error_code;
#[cfg(target_family = "wasm")]
mod wasi;

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    timeout: Option<Duration>,
}

/// The response of a server, with its whole body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status, such as 200.
    pub status: u16,
    /// The headers in order: names in lower case, values as raw bytes.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Why a request has no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpError {
    /// The URL or a header is invalid.
    InvalidRequest(String),
    /// The manifest does not request the host.
    Denied,
    /// The host has no address on the public internet, and `private_addresses` is not granted.
    PrivateAddress,
    /// Connecting, the response or a part of it took longer than its time-out.
    Timeout,
    /// The body of the request or of the response is larger than the host allows.
    TooLarge,
    /// Another error, described by this text or by the name of the error code in `wasi:http`.
    Other(String),
}

impl Request {
    /// Creates a request with this method.
    #[must_use]
    pub fn new(method: &str, url: &str) -> Self {
        let (method, url) = (method.to_ascii_uppercase(), url.to_owned());
        Self { method, url, headers: Vec::new(), body: Vec::new(), timeout: None }
    }

    /// Creates a GET request.
    #[must_use]
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    /// Creates a POST request.
    #[must_use]
    pub fn post(url: &str) -> Self {
        Self::new("POST", url)
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

    /// Sets the time-out of connecting, of the first byte of the response, and of each pause between its parts. It can
    /// only be shorter than the time-outs of the host.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the request and waits for the whole response, whatever its status.
    ///
    /// # Errors
    /// An [`HttpError`] if there is no complete response.
    #[cfg(target_family = "wasm")]
    pub fn send(self) -> Result<Response, HttpError> {
        wasi::send(self)
    }

    /// Sends the request and waits for the whole response, whatever its status.
    ///
    /// A test sends nothing: the response is that of [`testing::Host::respond`](crate::testing::Host::respond).
    ///
    /// # Errors
    /// An [`HttpError`] if there is no complete response. In a test, a request that no rule of the test matches is an
    /// error too.
    #[cfg(not(target_family = "wasm"))]
    pub fn send(self) -> Result<Response, HttpError> {
        split_url(&self.url)?;
        let Self { method, url, headers, body, timeout: _ } = self;
        crate::testing::native::imports::http::send(crate::testing::SentRequest {
            method,
            url,
            headers,
            body,
        })
    }
}

impl Response {
    /// The value of the first header with this name, which is in lower case. `None` if the value is not UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(own, _)| own == name)?;
        str::from_utf8(value).ok()
    }

    /// The body as text. Bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Splits a URL into scheme, authority (host and port), and path with query.
fn split_url(url: &str) -> Result<(&str, &str, &str), HttpError> {
    let invalid =
        || HttpError::InvalidRequest(format!("{url:?} is not a URL of the form https://HOST/PATH"));
    let (scheme, rest) = url.split_once("://").ok_or_else(invalid)?;
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if scheme.is_empty() || authority.is_empty() {
        return Err(invalid());
    }
    Ok((scheme, authority, path))
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidRequest(text) | Self::Other(text) => f.write_str(text),
            Self::Denied => f.write_str("the manifest does not request this host"),
            Self::PrivateAddress => f.write_str("the host has no public address"),
            Self::Timeout => f.write_str("the request timed out"),
            Self::TooLarge => f.write_str("the body is too large"),
        }
    }
}

impl std::error::Error for HttpError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_into_its_parts() {
        let valid = [
            ("http://a", ("http", "a", "")),
            ("https://a:1/b?c#d", ("https", "a:1", "/b?c")),
            ("http://a?b", ("http", "a", "?b")),
        ];
        for (url, parts) in valid {
            assert_eq!(split_url(url), Ok(parts));
        }
        assert!(["a", "://a", "http://", "http:///a"].iter().all(|url| split_url(url).is_err()));
    }
}
