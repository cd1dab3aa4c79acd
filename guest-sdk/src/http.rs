//! Requests to other servers, for plugins whose manifests name the hosts under `[capabilities]`, such as
//! `http = ["https://api.example.com", ".example.com"]`, and whose operators grant them: the host refuses any other that
//! calls what is here.
//!
//! A request goes out at once, not when the call returns, and the call waits for the answer; the connection goes on
//! meanwhile. Nothing that an answer leads to is followed. A version on trial, and one that saves its state, sends
//! nothing. Such a plugin's calls run on guest threads.
//!
//! ```
//! use narrowboat_guest::http::{HttpError, Request};
//!
//! fn weather() -> Result<String, HttpError> {
//!     let answer = Request::get("https://api.example.com/weather").header("accept", "text/plain").send()?;
//!     Ok(answer.text())
//! }
//! # assert!(weather().is_err(), "this is no plugin");
//! ```

use std::fmt;
use std::time::Duration;

#[cfg(target_family = "wasm")]
mod wasi;

/// A request, to be sent once.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    timeout: Option<Duration>,
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Its status, 200 where all is well.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// All of the body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpError {
    /// The URL or a header is none.
    InvalidRequest(String),
    /// The manifest does not request the host.
    Denied,
    /// The host has no address on the public internet, and `private_addresses` is not granted.
    PrivateAddress,
    /// Something took too long.
    Timeout,
    /// A body is longer than the host allows.
    TooLarge,
    /// Anything else, in the words of `wasi:http`.
    Other(String),
}

impl Request {
    /// A request of any method.
    #[must_use]
    pub fn new(method: &str, url: &str) -> Self {
        let (method, url) = (method.to_ascii_uppercase(), url.to_owned());
        Self { method, url, headers: Vec::new(), body: Vec::new(), timeout: None }
    }

    /// A request for what is there.
    #[must_use]
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    /// A request that brings something.
    #[must_use]
    pub fn post(url: &str) -> Self {
        Self::new("POST", url)
    }

    /// A further header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.as_ref().to_owned()));
        self
    }

    /// What it brings.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The longest that connecting, the beginning of the answer, and each further part of it may take; the host allows
    /// no more than it does without.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends it, and waits for the whole answer, whatever its status.
    ///
    /// # Errors
    /// When there is none.
    #[cfg(target_family = "wasm")]
    pub fn send(self) -> Result<Response, HttpError> {
        wasi::send(self)
    }

    /// Sends nothing: this is no plugin but a test of one.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(target_family = "wasm"))]
    pub fn send(self) -> Result<Response, HttpError> {
        split_url(&self.url)?;
        Err(HttpError::Other(format!("{} {} is sent by plugins alone", self.method, self.url)))
    }
}

impl Response {
    /// The first field of a name, in lower case, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(own, _)| own == name)?;
        str::from_utf8(value).ok()
    }

    /// The body as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Scheme, host with port, and the rest of a URL.
fn split_url(url: &str) -> Result<(&str, &str, &str), HttpError> {
    let wrong = || HttpError::InvalidRequest(format!("{url:?} is no URL: http://HOST/PATH"));
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if scheme.is_empty() || authority.is_empty() {
        return Err(wrong());
    }
    Ok((scheme, authority, path))
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidRequest(text) | Self::Other(text) => f.write_str(text),
            Self::Denied => f.write_str("the host is not among those asked for"),
            Self::PrivateAddress => f.write_str("the host has no public address"),
            Self::Timeout => f.write_str("it took too long"),
            Self::TooLarge => f.write_str("a body is too long"),
        }
    }
}

impl std::error::Error for HttpError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let yes = [
            ("http://a", ("http", "a", "")),
            ("https://a:1/b?c#d", ("https", "a:1", "/b?c")),
            ("http://a?b", ("http", "a", "?b")),
        ];
        for (url, parts) in yes {
            assert_eq!(split_url(url), Ok(parts));
        }
        assert!(["a", "://a", "http://", "http:///a"].iter().all(|url| split_url(url).is_err()));
    }
}
