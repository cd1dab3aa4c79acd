//! Failures of clients.

use std::time::Duration;

use thiserror::Error;

use crate::close_frame::CloseFrame;
use crate::host_close::HostClose;

/// A fault of a client.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientFault {
    /// A text message was not UTF-8.
    #[error("a text message is not UTF-8")]
    InvalidUtf8,
    /// A message or frame was larger than the limit.
    #[error("{0}")]
    MessageTooBig(String),
    /// The client broke another rule of RFC 6455.
    #[error("{0}")]
    Protocol(String),
    /// The client sent nothing for the idle timeout.
    #[error("idle timeout: no data for {} s", .0.as_secs())]
    IdleTimeout(Duration),
    /// The client did not read, and its outbound queue of this many bytes reached the limit.
    #[error("it does not read, and {0} bytes wait for it")]
    SendQueueFull(usize),
    /// The consumer reported that the client broke a rule of the plugin.
    #[error("the consumer closes with {0}")]
    ReportedByConsumer(CloseFrame),
}

impl ClientFault {
    /// Returns the Close frame for the client.
    pub(super) fn close_frame(&self) -> CloseFrame {
        match self {
            Self::InvalidUtf8 => HostClose::InvalidUtf8.frame(),
            Self::MessageTooBig(reason) => {
                HostClose::MessageTooBig.frame_with_reason(reason.clone())
            }
            Self::Protocol(rule) => HostClose::ProtocolRuleBroken.frame_with_reason(rule.clone()),
            Self::IdleTimeout(_) => HostClose::IdleTimeout.frame_with_reason(self.to_string()),
            Self::SendQueueFull(_) => HostClose::OutboundQueueFull.frame(),
            Self::ReportedByConsumer(frame) => frame.clone(),
        }
    }
}
