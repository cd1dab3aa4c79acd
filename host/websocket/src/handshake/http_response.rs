//! Responses with a page of the host itself.

use bytes::Bytes;

use narrowboat_core::scope::Headers;

/// A response with status 200 to a request that is not a WebSocket handshake. A HEAD request gets the headers only.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// The response headers.
    pub headers: Headers,
    /// The response body.
    pub body: Bytes,
}

impl HttpResponse {
    /// Returns a response with this body and media type, such as `text/css`.
    pub fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let response = Self { headers: Headers::new(), body: body.into() };
        response.with_header("content-type", content_type)
    }

    /// Adds a header.
    pub fn with_header(mut self, name: &str, value: &'static str) -> Self {
        self.headers.push((name.to_owned(), Bytes::from_static(value.as_bytes())));
        self
    }
}
