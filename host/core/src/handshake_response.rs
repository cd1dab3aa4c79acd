//! A consumer's answer to a handshake, checked against what HTTP and RFC 6455 let it say.

use bytes::Bytes;
use thiserror::Error;

use crate::scope::Headers;

/// The consumer takes the connection: 101.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acceptance {
    /// One of those the client offered.
    pub subprotocol: Option<String>,
    /// Sent with the 101.
    pub headers: Headers,
}

/// The consumer turns the connection away: an HTTP answer in place of the upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// 400 to 599.
    pub status: u16,
    /// Sent with the status.
    pub headers: Headers,
    /// Sent as it is.
    pub body: Bytes,
}

/// Why a consumer's answer cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HandshakeResponseError {
    /// RFC 6455, section 4.2.2: the server selects among the offered ones.
    #[error("accepted with subprotocol {chosen:?}, but the client offered {offered:?}")]
    SubprotocolNotOffered {
        /// What the consumer said.
        chosen: String,
        /// What the client said.
        offered: Vec<String>,
    },
    /// A header that belongs to the handshake or to the framing of the answer.
    #[error("header {0:?} is set by the host; leave it out")]
    ReservedHeader(String),
    /// A name that is no token, or a value with a control character such as CR or LF (RFC 9110,
    /// section 5.5).
    #[error("header {0:?} has a name or value that HTTP does not allow")]
    InvalidHeader(String),
    /// Only an error can stand in place of the upgrade.
    #[error("rejected with status {0}; it must be 400 to 599")]
    InvalidStatus(u16),
    /// The body of a rejection is longer than a client has to be told.
    #[error("rejected with a body of {0} bytes; it may have {MAX_BODY}")]
    BodyTooLong(usize),
    /// More headers than an answer has room for.
    #[error(
        "{count} headers of {bytes} bytes; an answer may have {MAX_HEADERS} of {MAX_HEADER_BYTES} bytes"
    )]
    TooManyHeaders {
        /// Headers.
        count: usize,
        /// Bytes of their names and values.
        bytes: usize,
    },
}

/// Bytes of the body of a rejection.
const MAX_BODY: usize = 64 * 1024;

/// Headers of an answer.
const MAX_HEADERS: usize = 100;

/// Bytes of their names and values.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Headers of the handshake and of the connection, which the host alone sets.
const RESERVED_HEADERS: [&str; 8] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Acceptance {
    /// Checks the answer against what the client `offered`.
    ///
    /// # Errors
    /// A subprotocol that was not offered, a reserved or malformed header.
    pub fn check(&self, offered: &[String]) -> Result<(), HandshakeResponseError> {
        if let Some(chosen) = &self.subprotocol
            && !offered.contains(chosen)
        {
            return Err(HandshakeResponseError::SubprotocolNotOffered {
                chosen: chosen.clone(),
                offered: offered.to_vec(),
            });
        }
        check_headers(&self.headers)
    }
}

impl Rejection {
    /// A rejection of the host's own, in plain text.
    pub fn plain_text(status: u16, body: impl Into<String>) -> Self {
        let content_type = Bytes::from_static(b"text/plain; charset=utf-8");
        Self {
            status,
            headers: vec![("content-type".to_owned(), content_type)],
            body: Bytes::from(body.into()),
        }
    }

    /// The same with one more header.
    pub fn with_header(mut self, name: &str, value: &'static str) -> Self {
        self.headers.push((name.to_owned(), Bytes::from_static(value.as_bytes())));
        self
    }

    /// Checks the answer of a consumer.
    ///
    /// # Errors
    /// A status outside 400 to 599, a reserved or malformed header.
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

fn check_headers(headers: &Headers) -> Result<(), HandshakeResponseError> {
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return Err(HandshakeResponseError::TooManyHeaders { count: headers.len(), bytes });
    }
    headers.iter().try_for_each(|(name, value)| check_header(name, value))
}

fn check_header(name: &str, value: &Bytes) -> Result<(), HandshakeResponseError> {
    let lower = name.to_ascii_lowercase();
    if RESERVED_HEADERS.contains(&lower.as_str()) || lower.starts_with("sec-websocket-") {
        return Err(HandshakeResponseError::ReservedHeader(name.to_owned()));
    }
    // 0x20 and above or a tab: RFC 9110's field-content, obs-text included.
    let clean = value.iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..));
    if name.is_empty() || !name.bytes().all(is_token) || !clean {
        return Err(HandshakeResponseError::InvalidHeader(name.escape_default().to_string()));
    }
    Ok(())
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_header(name: &str, value: &str) -> Acceptance {
        let headers = vec![(name.to_owned(), Bytes::from(value.to_owned()))];
        Acceptance { subprotocol: None, headers }
    }

    #[test]
    fn an_answer_has_so_much_room() {
        let rejection = |body: usize| Rejection::plain_text(400, "x".repeat(body));
        assert_eq!(rejection(MAX_BODY).check(), Ok(()));
        assert_eq!(
            rejection(MAX_BODY + 1).check(),
            Err(HandshakeResponseError::BodyTooLong(MAX_BODY + 1))
        );
        assert_eq!(with_header("x", &"y".repeat(MAX_HEADER_BYTES - 1)).check(&[]), Ok(()));
        let long = with_header("x", &"y".repeat(MAX_HEADER_BYTES)).check(&[]);
        assert!(matches!(long, Err(HandshakeResponseError::TooManyHeaders { count: 1, .. })));
        let header = ("x".to_owned(), Bytes::new());
        let many = Acceptance { subprotocol: None, headers: vec![header; MAX_HEADERS + 1] };
        assert!(matches!(many.check(&[]), Err(HandshakeResponseError::TooManyHeaders { .. })));
    }

    #[test]
    fn only_an_offered_subprotocol_may_be_chosen() {
        let chat = Acceptance { subprotocol: Some("chat".to_owned()), headers: Vec::new() };
        assert_eq!(chat.check(&["soap".to_owned(), "chat".to_owned()]), Ok(()));
        let refused = chat.check(&["soap".to_owned()]);
        assert!(matches!(refused, Err(HandshakeResponseError::SubprotocolNotOffered { .. })));
    }

    #[test]
    fn headers_of_the_handshake_are_the_hosts() {
        for name in ["Upgrade", "connection", "Sec-WebSocket-Accept", "transfer-encoding"] {
            let refused = with_header(name, "x").check(&[]);
            assert_eq!(refused, Err(HandshakeResponseError::ReservedHeader(name.to_owned())));
        }
    }

    #[test]
    fn a_header_cannot_smuggle_a_line() {
        for (name, value) in [("x-a", "b\r\nset-cookie: c"), ("x-a\r\nb", "c"), ("", "c")] {
            assert!(matches!(
                with_header(name, value).check(&[]),
                Err(HandshakeResponseError::InvalidHeader(_))
            ));
        }
        assert_eq!(with_header("x-a", "b c").check(&[]), Ok(()));
    }

    #[test]
    fn a_rejection_is_an_error_status() {
        assert_eq!(Rejection::plain_text(403, "").check(), Ok(()));
        for status in [101, 200, 302, 399, 600] {
            assert_eq!(
                Rejection::plain_text(status, "").check(),
                Err(HandshakeResponseError::InvalidStatus(status))
            );
        }
    }
}
