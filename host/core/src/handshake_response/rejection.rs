//! Rejection of a handshake.

use bytes::Bytes;

use super::handshake_response_error::{HandshakeResponseError, MAX_BODY};
use super::header_check::check_headers;
use crate::scope::Headers;

/// The consumer rejects the connection with an HTTP response in place of the upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The status, 400 to 599.
    pub status: u16,
    /// Headers of the response.
    pub headers: Headers,
    /// The body of the response.
    pub body: Bytes,
}

impl Rejection {
    /// Creates a rejection of the host with a body in plain text.
    pub fn plain_text(status: u16, body: impl Into<String>) -> Self {
        let content_type = Bytes::from_static(b"text/plain; charset=utf-8");
        Self {
            status,
            headers: vec![("content-type".to_owned(), content_type)],
            body: Bytes::from(body.into()),
        }
    }

    /// Adds a header.
    pub fn with_header(mut self, name: &str, value: &'static str) -> Self {
        self.headers.push((name.to_owned(), Bytes::from_static(value.as_bytes())));
        self
    }

    /// Checks the response of a consumer.
    ///
    /// # Errors
    /// The status is outside 400 to 599, the body is too long, or the headers are not allowed.
    pub fn check(&self) -> Result<(), HandshakeResponseError> {
        if !(400..=599).contains(&self.status) {
            return Err(HandshakeResponseError::InvalidStatus(self.status));
        }
        if self.body.len() > MAX_BODY {
            return Err(HandshakeResponseError::BodyTooLong(self.body.len()));
        }
        check_headers(&self.headers)
    }
}
