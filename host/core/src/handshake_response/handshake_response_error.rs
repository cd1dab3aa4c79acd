//! The errors of a response to a handshake.

use std::ops::RangeInclusive;

use thiserror::Error;

/// The statuses of a rejection.
pub const REJECTION_STATUSES: RangeInclusive<u16> = 400..=599;

/// The longest body of a rejection, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// The most headers of a response.
pub const MAX_HEADERS: usize = 100;

/// The most bytes of all header names and values.
pub const MAX_HEADER_BYTES: usize = 16 * 1024;

/// The reason why a response of a consumer cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HandshakeResponseError {
    /// The server must select one of the offered subprotocols (RFC 6455, section 4.2.2).
    #[error("accepted with subprotocol {chosen:?}, but the client offered {offered:?}")]
    SubprotocolNotOffered {
        /// The subprotocol that the consumer chose.
        chosen: String,
        /// The subprotocols that the client offered.
        offered: Vec<String>,
    },
    /// A header that belongs to the handshake or to the framing of the response.
    #[error("header {0:?} is set by the host; leave it out")]
    ReservedHeader(String),
    /// A name that is not a token, or a value with a control character such as CR or LF (RFC 9110, section 5.5).
    #[error("header {0:?} has a name or value that HTTP does not allow")]
    InvalidHeader(String),
    /// The status of a rejection is not an error status.
    #[error(
        "rejected with status {0}; it must be {lowest} to {highest}",
        lowest = REJECTION_STATUSES.start(),
        highest = REJECTION_STATUSES.end()
    )]
    InvalidStatus(u16),
    /// The body of a rejection is too long.
    #[error("rejected with a body of {0} bytes; the limit is {MAX_BODY}")]
    BodyTooLong(usize),
    /// The headers are too many or too long.
    #[error(
        "the response has {count} headers of {bytes} bytes; the limits are {MAX_HEADERS} headers and {MAX_HEADER_BYTES} bytes"
    )]
    TooManyHeaders {
        /// The number of headers.
        count: usize,
        /// The bytes of all names and values.
        bytes: usize,
    },
}
