//! Responses with a page of the host itself.

use bytes::Bytes;
use hyper::http::StatusCode;

use narrowboat_core::scope::Headers;

/// A response to a request that is not a WebSocket handshake. A HEAD request gets the headers only.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// The status.
    pub status: StatusCode,
    /// The response headers.
    pub headers: Headers,
    /// The response body.
    pub body: Bytes,
}

impl HttpResponse {
    /// Returns a response with status 200, this body and this media type, such as `text/css`.
    pub fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let response = Self { status: StatusCode::OK, headers: Headers::new(), body: body.into() };
        response.with_header("content-type", content_type)
    }

    /// Adds a header.
    pub fn with_header(mut self, name: &str, value: &'static str) -> Self {
        self.headers.push((name.to_owned(), Bytes::from_static(value.as_bytes())));
        self
    }
}
