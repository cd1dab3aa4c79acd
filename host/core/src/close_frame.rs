//! Close frames and the close codes of RFC 6455, section 7.4.

use std::fmt;

/// A close code and its reason, as sent to the peer or received from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// RFC 6455, section 7.4.1. [`code::NO_STATUS_RECEIVED`] and [`code::ABNORMAL_CLOSURE`] are never sent.
    pub code: u16,
    /// UTF-8 of at most [`MAX_REASON_BYTES`] bytes.
    pub reason: String,
}

/// The longest reason of a Close frame in bytes: the 125 bytes of a control frame minus the code.
pub const MAX_REASON_BYTES: usize = 123;

/// The close codes that this host sends or reports.
pub mod code {
    /// The purpose of the connection is fulfilled.
    pub const NORMAL_CLOSURE: u16 = 1000;
    /// The server is shutting down.
    pub const GOING_AWAY: u16 = 1001;
    /// The peer broke the WebSocket protocol.
    pub const PROTOCOL_ERROR: u16 = 1002;
    /// The peer cannot accept this type of data.
    pub const UNSUPPORTED_DATA: u16 = 1003;
    /// The peer's Close frame had no code.
    pub const NO_STATUS_RECEIVED: u16 = 1005;
    /// The connection ended without a Close frame.
    pub const ABNORMAL_CLOSURE: u16 = 1006;
    /// A text message was not UTF-8.
    pub const INVALID_PAYLOAD_DATA: u16 = 1007;
    /// The peer broke a rule of this host, such as the idle time-out.
    pub const POLICY_VIOLATION: u16 = 1008;
    /// A frame or message was larger than the limit.
    pub const MESSAGE_TOO_BIG: u16 = 1009;
    /// The client requires an extension that the server did not negotiate.
    pub const MANDATORY_EXTENSION: u16 = 1010;
    /// The guest failed.
    pub const INTERNAL_ERROR: u16 = 1011;
    /// The client should reconnect: the state of the connection was lost, or the host restarts.
    pub const SERVICE_RESTART: u16 = 1012;
    /// The host or the queue of this connection reached its limit.
    pub const TRY_AGAIN_LATER: u16 = 1013;
    /// The peer is a gateway and received an invalid response from its upstream server.
    pub const BAD_GATEWAY: u16 = 1014;
}

impl CloseFrame {
    /// Creates a Close frame. Truncates the reason at a character boundary if it is longer than [`MAX_REASON_BYTES`].
    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
        Self { code, reason }
    }

    /// The close of a connection that ended without a Close frame.
    pub fn abnormal() -> Self {
        Self::new(code::ABNORMAL_CLOSURE, "")
    }

    /// Whether a Close frame may have this code: a code of IANA's registry of WebSocket close codes that is not
    /// reserved, or a code of the ranges for libraries and applications (RFC 6455, section 7.4).
    pub fn is_valid_on_wire(code: u16) -> bool {
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// Whether a consumer may close with this code and reason: the code is 1000 or 3000 to 4999 (RFC 6455, section
    /// 7.4.2), and the reason fits.
    pub fn is_allowed_for_consumer(code: u16, reason: &str) -> bool {
        (code == code::NORMAL_CLOSURE || (3000..=4999).contains(&code))
            && reason.len() <= MAX_REASON_BYTES
    }

    /// Whether an operator may close a connection with this code.
    pub fn is_allowed_for_operator(code: u16) -> bool {
        matches!(
            code,
            code::NORMAL_CLOSURE | code::GOING_AWAY | code::POLICY_VIOLATION | 1011..=1013 | 3000..=4999
        )
    }

    /// Whether a consumer may report an error of the client with this code and reason: the code is 1007 or, for private
    /// use, 4000 to 4999 (RFC 6455, section 7.4.2), and the reason fits.
    pub fn is_allowed_for_client_error(code: u16, reason: &str) -> bool {
        (code == code::INVALID_PAYLOAD_DATA || (4000..=4999).contains(&code))
            && reason.len() <= MAX_REASON_BYTES
    }
}

impl fmt::Display for CloseFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if !self.reason.is_empty() {
            write!(f, " ({})", self.reason)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_truncated_at_a_character_boundary() {
        let frame = CloseFrame::new(4000, "é".repeat(80));
        assert_eq!(frame.reason.len(), 122);
    }

    #[test]
    fn rfc_6455_7_4_reserved_and_undefined_codes_are_never_sent() {
        let defined = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
        for code in 0..=u16::MAX {
            let is_valid = defined.contains(&code) || (3000..=4999).contains(&code);
            assert_eq!(CloseFrame::is_valid_on_wire(code), is_valid, "{code}");
        }
    }

    #[test]
    fn consumers_may_only_use_the_codes_for_applications() {
        let allowed: Vec<u16> =
            (0..=u16::MAX).filter(|code| CloseFrame::is_allowed_for_consumer(*code, "")).collect();
        assert_eq!(allowed.first(), Some(&1000));
        assert_eq!(allowed[1..], (3000..=4999).collect::<Vec<u16>>());
        assert!(!CloseFrame::is_allowed_for_consumer(4000, &"x".repeat(MAX_REASON_BYTES + 1)));
    }

    #[test]
    fn consumers_report_client_errors_with_1007_or_a_private_code() {
        let allowed: Vec<u16> = (0..=u16::MAX)
            .filter(|code| CloseFrame::is_allowed_for_client_error(*code, ""))
            .collect();
        assert_eq!(allowed.first(), Some(&1007));
        assert_eq!(allowed[1..], (4000..=4999).collect::<Vec<u16>>());
        assert!(CloseFrame::is_allowed_for_client_error(1007, &"x".repeat(MAX_REASON_BYTES)));
        assert!(!CloseFrame::is_allowed_for_client_error(1007, &"x".repeat(MAX_REASON_BYTES + 1)));
    }
}
