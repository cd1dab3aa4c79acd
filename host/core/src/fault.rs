//! Faults that end a connection. Who is to blame decides the log level and the close code.

mod client_fault;
mod guest_fault;
mod host_fault;
mod log_line;

use thiserror::Error;

use crate::close_frame::CloseFrame;
use crate::host_close::HostClose;

pub use client_fault::ClientFault;
pub use guest_fault::GuestFault;
pub use host_fault::HostFault;
pub use log_line::{CONTINUATION, sanitize_log_line, sanitize_log_text};

/// A fault that ends a connection.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// The code of the plugin failed. The log says how; the client does not learn it.
    #[error("the consumer failed: {0}")]
    Guest(GuestFault),
    /// The client broke a rule.
    #[error("the client broke a rule: {0}")]
    Client(ClientFault),
    /// The host stops, or could not keep the consumer.
    #[error("the host could not serve: {0}")]
    Host(HostFault),
}

impl Fault {
    /// Returns the Close frame for the client. It has no text of the guest, except the reason with which the guest
    /// reports an error of the client.
    pub fn close_frame(&self) -> CloseFrame {
        match self {
            Self::Guest(GuestFault::QuotaExceeded(_)) => HostClose::PluginQuotaExceeded.frame(),
            Self::Guest(_) => HostClose::ConsumerFailed.frame(),
            Self::Client(fault) => fault.close_frame(),
            Self::Host(HostFault::ShuttingDown) => HostClose::ShuttingDown.frame(),
            Self::Host(HostFault::StateLost(_)) => HostClose::StateLost.frame(),
            Self::Host(HostFault::RoomUnsaved) => HostClose::RoomRestarted.frame(),
            Self::Host(HostFault::RoomReset) => HostClose::RoomClosed.frame(),
        }
    }

    /// Logs the fault. Faults of guests and of the host are warnings, because an operator has to act on them. Faults of
    /// clients and a shutdown are debug messages.
    pub fn log(&self, plugin: &str, channel: &str, version: &str) {
        let fault = sanitize_log_line(&self.to_string());
        match self {
            Self::Guest(_) | Self::Host(HostFault::StateLost(_)) => {
                tracing::warn!(plugin, channel, version, %fault, "event failed");
            }
            Self::Client(_)
            | Self::Host(HostFault::ShuttingDown | HostFault::RoomUnsaved | HostFault::RoomReset) =>
            {
                tracing::debug!(plugin, channel, version, %fault, "event failed");
            }
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
