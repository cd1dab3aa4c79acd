//! Faults that end a connection. Who is to blame decides the log level and the close code.

mod client_fault;
mod guest_fault;
mod host_fault;
mod log_line;

use thiserror::Error;

use crate::close_frame::{CloseFrame, code};

pub use client_fault::ClientFault;
pub use guest_fault::GuestFault;
pub use host_fault::HostFault;
pub use log_line::sanitize_log_line;

/// A fault that ends a connection.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// The code of the plugin failed. The log says how; the client does not learn it.
    #[error("the consumer failed: {0}")]
    Guest(GuestFault),
    /// The client broke a rule.
    #[error("the client broke a rule: {0}")]
    Client(ClientFault),
    /// The host failed or reached a limit.
    #[error("the host could not serve: {0}")]
    Host(HostFault),
}

impl Fault {
    /// Returns the Close frame for the client. It has no text of the guest, except the reason with which the guest
    /// reports an error of the client.
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
            Self::Client(ClientFault::ReportedByConsumer(frame)) => frame.clone(),
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

    /// Logs the fault. Faults of guests and of the host are warnings, because an operator has to act on them. Faults of
    /// clients and a shutdown are debug messages.
    pub fn log(&self, plugin: &str, channel: &str, version: &str) {
        let text = sanitize_log_line(&self.to_string());
        match self {
            Self::Guest(_) | Self::Host(HostFault::Overloaded(_) | HostFault::StateLost(_)) => {
                tracing::warn!(plugin, channel, version, "{text}");
            }
            Self::Client(_) | Self::Host(HostFault::ShuttingDown) => {
                tracing::debug!(plugin, channel, version, "{text}");
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
