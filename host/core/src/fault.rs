//! Whose failure ended a connection, which decides the log's level and the close code.

use std::time::Duration;

use thiserror::Error;

use crate::close_frame::{CloseFrame, code};

/// A failure that ends a connection.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// The plugin's code failed: told to its owner, hidden from its client.
    #[error("the consumer failed: {0}")]
    Guest(GuestFault),
    /// The peer broke a rule.
    #[error("the client broke a rule: {0}")]
    Client(ClientFault),
    /// The host could not do its part.
    #[error("the host could not serve: {0}")]
    Host(HostFault),
}

/// What a guest did wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GuestFault {
    /// It trapped; its instance is gone.
    #[error("trap: {0}")]
    Trap(String),
    /// It ran past its budget and was stopped; its instance is gone.
    #[error("ran longer than its {limit} of {} ms", time.as_millis())]
    TimeLimitExceeded {
        /// The key that bounds it.
        limit: &'static str,
        /// The bound.
        time: Duration,
    },
    /// Another consumer of the same instance trapped.
    #[error("the instance it shared has failed")]
    SharedInstanceFailed,
    /// It came to a bound of what it, or its tenant, may use.
    #[error("it may use no more: its limit of {0} is reached")]
    QuotaExceeded(&'static str),
    /// It returned an error that blames the plugin.
    #[error("returned an error: {0}")]
    Error(String),
    /// It broke a rule of the contract, such as closing with a code that is not its own.
    #[error("broke the contract: {0}")]
    ContractViolation(String),
}

/// What a client did wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientFault {
    /// A text message that is not UTF-8.
    #[error("a text message is not UTF-8")]
    InvalidUtf8,
    /// A message or frame over the bound.
    #[error("{0}")]
    MessageTooBig(String),
    /// Anything else that RFC 6455 forbids.
    #[error("{0}")]
    Protocol(String),
    /// Nothing was heard for the idle time-out.
    #[error("idle timeout: no data for {} s", .0.as_secs())]
    IdleTimeout(Duration),
    /// It did not read, and the outbound queue reached its bound.
    #[error("it does not read, and {0} bytes wait for it")]
    SendQueueFull(usize),
    /// The plugin's consumer says that it broke a rule of the plugin.
    #[error("the consumer closes with {0}")]
    ReportedByConsumer(CloseFrame),
}

/// What the host could not do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HostFault {
    /// The host is stopping.
    #[error("shutting down")]
    ShuttingDown,
    /// An instance could not be made, or a bound of the host was reached.
    #[error("{0}")]
    Overloaded(String),
    /// The connection's consumer could not move to another version of its plugin.
    #[error("the consumer could not move to another version: {0}")]
    StateLost(String),
}

/// Bytes of a guest's own words that are kept in one line of the log.
const MAX_LOG_LINE_BYTES: usize = 4 * 1024;

/// A guest's words as one line of bounded length without control characters: it must not forge the
/// log's lines or steer a terminal.
pub fn sanitize_log_line(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(MAX_LOG_LINE_BYTES)];
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl GuestFault {
    /// Whether the instance can only be dropped after it.
    pub fn is_fatal_to_instance(&self) -> bool {
        match self {
            Self::Trap(_) | Self::TimeLimitExceeded { .. } | Self::SharedInstanceFailed => true,
            Self::Error(_) | Self::ContractViolation(_) | Self::QuotaExceeded(_) => false,
        }
    }
}

impl Fault {
    /// What the peer is told. A guest's own words stay in the log, except the reason with which it blames the peer.
    pub fn close_frame(&self) -> CloseFrame {
        match self {
            Self::Guest(GuestFault::QuotaExceeded(_)) => {
                CloseFrame::new(code::TRY_AGAIN_LATER, "the plugin may use no more")
            }
            Self::Guest(_) => CloseFrame::new(code::INTERNAL_ERROR, "consumer failed"),
            Self::Client(ClientFault::InvalidUtf8) => {
                CloseFrame::new(code::INVALID_PAYLOAD_DATA, self.close_reason())
            }
            Self::Client(ClientFault::MessageTooBig(_)) => {
                CloseFrame::new(code::MESSAGE_TOO_BIG, self.close_reason())
            }
            Self::Client(ClientFault::Protocol(_)) => {
                CloseFrame::new(code::PROTOCOL_ERROR, self.close_reason())
            }
            Self::Client(ClientFault::IdleTimeout(_)) => {
                CloseFrame::new(code::POLICY_VIOLATION, self.close_reason())
            }
            Self::Client(ClientFault::SendQueueFull(_)) => {
                CloseFrame::new(code::TRY_AGAIN_LATER, "outbound queue full")
            }
            Self::Client(ClientFault::ReportedByConsumer(closure)) => closure.clone(),
            Self::Host(HostFault::ShuttingDown) => {
                CloseFrame::new(code::GOING_AWAY, "server shutting down")
            }
            Self::Host(HostFault::Overloaded(_)) => {
                CloseFrame::new(code::TRY_AGAIN_LATER, "server overloaded")
            }
            Self::Host(HostFault::StateLost(_)) => {
                CloseFrame::new(code::SERVICE_RESTART, "state lost in an update")
            }
        }
    }

    /// Writes the fault to the log: a guest's and the host's as warnings, since someone must act
    /// on them, a client's for those who debug.
    pub fn log(&self, plugin: &str, channel: &str, version: &str) {
        match self {
            Self::Guest(_) | Self::Host(HostFault::Overloaded(_) | HostFault::StateLost(_)) => {
                let words = sanitize_log_line(&self.to_string());
                tracing::warn!(plugin, channel, version, "{words}");
            }
            Self::Client(_) | Self::Host(HostFault::ShuttingDown) => {
                let words = sanitize_log_line(&self.to_string());
                tracing::debug!(plugin, channel, version, "{words}");
            }
        }
    }

    fn close_reason(&self) -> String {
        match self {
            Self::Guest(fault) => fault.to_string(),
            Self::Client(fault) => fault.to_string(),
            Self::Host(fault) => fault.to_string(),
        }
    }
}

impl From<GuestFault> for Fault {
    fn from(fault: GuestFault) -> Self {
        Self::Guest(fault)
    }
}

impl From<ClientFault> for Fault {
    fn from(fault: ClientFault) -> Self {
        Self::Client(fault)
    }
}

impl From<HostFault> for Fault {
    fn from(fault: HostFault) -> Self {
        Self::Host(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_cannot_forge_a_line_or_steer_a_terminal() {
        assert_eq!(sanitize_log_line("a\nERROR b\x1b[2J"), "a ERROR b [2J");
        assert_eq!(sanitize_log_line(&"é".repeat(MAX_LOG_LINE_BYTES)).len(), MAX_LOG_LINE_BYTES);
    }
}
