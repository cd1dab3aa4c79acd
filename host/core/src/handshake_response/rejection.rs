//! Rejection of a handshake.

use std::time::Duration;

use bytes::Bytes;

use super::handshake_response_error::{HandshakeResponseError, MAX_BODY, REJECTION_STATUSES};
use super::header_check::{check_headers, headers_size};
use super::host_rejection::HostRejection;
use crate::scope::Headers;

/// An HTTP response in place of the upgrade.
///
/// Other crates create one only from a response of a consumer or from a [`HostRejection`]. So the reference lists each
/// response of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejection {
    /// The status, 400 to 599.
    pub status: u16,
    /// Headers of the response.
    pub headers: Headers,
    /// The body of the response.
    pub body: Bytes,
}

impl Rejection {
    /// Creates a rejection from the response of a consumer, which is not checked yet.
    pub fn from_consumer(status: u16, headers: Headers, body: Bytes) -> Self {
        Self { status, headers, body }
    }

    /// Creates a rejection with a body in plain text.
    pub(super) fn plain_text(status: u16, body: impl Into<String>) -> Self {
        let content_type = Bytes::from_static(b"text/plain; charset=utf-8");
        Self {
            status,
            headers: vec![("content-type".to_owned(), content_type)],
            body: Bytes::from(body.into()),
        }
    }

    /// Tells the client to try again after a time, in whole seconds.
    #[must_use]
    pub fn with_retry_after(mut self, time: Duration) -> Self {
        let seconds = time.as_millis().div_ceil(1_000).max(1);
        self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("retry-after"));
        self.headers.push(("Retry-After".to_owned(), Bytes::from(seconds.to_string())));
        self
    }

    /// The size of the response, in bytes.
    pub fn size(&self) -> usize {
        headers_size(&self.headers) + self.body.len()
    }

    /// Checks the response of a consumer.
    ///
    /// # Errors
    /// The status is outside 400 to 599, the body is too long, or the headers are not allowed.
    pub fn check(&self) -> Result<(), HandshakeResponseError> {
        if !REJECTION_STATUSES.contains(&self.status) {
            return Err(HandshakeResponseError::InvalidStatus(self.status));
        }
        if self.body.len() > MAX_BODY {
            return Err(HandshakeResponseError::BodyTooLong(self.body.len()));
        }
        check_headers(&self.headers)
    }
}

impl From<HostRejection<'_>> for Rejection {
    fn from(rejection: HostRejection<'_>) -> Self {
        let body = format!("{}\n", rejection.body());
        let mut response = Self::plain_text(rejection.status(), body);
        let headers = rejection.headers().iter();
        response.headers.extend(
            headers.map(|(name, value)| ((*name).to_owned(), Bytes::from_static(value.as_bytes()))),
        );
        response
    }
}
