//! What the host itself shows a browser.

use bytes::Bytes;

use narrowboat_core::scope::Headers;

/// A document for a client that asked for no WebSocket: 200. To a HEAD only its head is sent.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// Sent with the status.
    pub headers: Headers,
    /// Sent as it is.
    pub body: Bytes,
}

impl HttpResponse {
    /// A document of a media type such as `text/css`.
    pub fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let document = Self { headers: Headers::new(), body: body.into() };
        document.with_header("content-type", content_type)
    }

    /// The same with one more header.
    pub fn with_header(mut self, name: &str, value: &'static str) -> Self {
        self.headers.push((name.to_owned(), Bytes::from_static(value.as_bytes())));
        self
    }
}
