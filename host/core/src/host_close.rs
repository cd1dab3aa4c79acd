//! The closes that the host sends by itself.

mod close_cause;
mod close_reason;
mod description;

use crate::close_frame::{CloseFrame, code};

pub use close_cause::CloseCause;
pub use close_reason::CloseReason;

/// A close that the host sends by itself: no consumer, operator or Close frame of a client chose its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostClose {
    /// The host stops.
    ShuttingDown,
    /// A reload of the configuration removed the plugin or its tenant.
    RouteRemoved,
    /// The client broke a rule of RFC 6455.
    ProtocolRuleBroken,
    /// The client's Close frame has a code that is not valid on the wire.
    InvalidCloseCode,
    /// A text of the client is not UTF-8.
    InvalidUtf8,
    /// The client sent nothing for the idle timeout.
    IdleTimeout,
    /// A consumer that was restarted for an open connection decided later, and rejected it.
    RejectedAfterRestart,
    /// A message or a frame of the client is too long.
    MessageTooBig,
    /// The plugin failed.
    ConsumerFailed,
    /// The consumer could not move to another version of its plugin.
    StateLost,
    /// The host could not save the state of the room, and goes on with the state that it saved last.
    RoomRestarted,
    /// An operator closed or reset the room.
    RoomClosed,
    /// A reload of the configuration replaced the plugin.
    PluginReloaded,
    /// The host drains.
    Draining,
    /// The client does not read.
    OutboundQueueFull,
    /// The plugin or its tenant reached a limit, so that it got no instance.
    PluginQuotaExceeded,
}

impl HostClose {
    /// All closes, in the order of their codes.
    pub const ALL: [Self; 16] = [
        Self::ShuttingDown,
        Self::RouteRemoved,
        Self::ProtocolRuleBroken,
        Self::InvalidCloseCode,
        Self::InvalidUtf8,
        Self::IdleTimeout,
        Self::RejectedAfterRestart,
        Self::MessageTooBig,
        Self::ConsumerFailed,
        Self::StateLost,
        Self::RoomRestarted,
        Self::RoomClosed,
        Self::PluginReloaded,
        Self::Draining,
        Self::OutboundQueueFull,
        Self::PluginQuotaExceeded,
    ];

    /// The close code.
    pub const fn code(self) -> u16 {
        match self {
            Self::ShuttingDown | Self::RouteRemoved => code::GOING_AWAY,
            Self::ProtocolRuleBroken | Self::InvalidCloseCode => code::PROTOCOL_ERROR,
            Self::InvalidUtf8 => code::INVALID_PAYLOAD_DATA,
            Self::IdleTimeout | Self::RejectedAfterRestart => code::POLICY_VIOLATION,
            Self::MessageTooBig => code::MESSAGE_TOO_BIG,
            Self::ConsumerFailed => code::INTERNAL_ERROR,
            Self::StateLost
            | Self::RoomRestarted
            | Self::RoomClosed
            | Self::PluginReloaded
            | Self::Draining => code::SERVICE_RESTART,
            Self::OutboundQueueFull | Self::PluginQuotaExceeded => code::TRY_AGAIN_LATER,
        }
    }

    /// The reason.
    pub const fn reason(self) -> CloseReason {
        match self {
            Self::ShuttingDown => CloseReason::Fixed("server shutting down"),
            Self::RouteRemoved => CloseReason::Fixed("route removed"),
            Self::ProtocolRuleBroken => {
                CloseReason::Example("Received an unmasked frame from client")
            }
            Self::InvalidCloseCode => CloseReason::Fixed("Protocol violation"),
            Self::InvalidUtf8 => CloseReason::Fixed("a text message is not UTF-8"),
            Self::IdleTimeout => CloseReason::Example("idle timeout: no data for 60 s"),
            Self::RejectedAfterRestart => CloseReason::Fixed("rejected after an update"),
            Self::MessageTooBig => CloseReason::Example("Message too long: 70000 > 65536"),
            Self::ConsumerFailed => CloseReason::Fixed("consumer failed"),
            Self::StateLost => CloseReason::Fixed("state lost in an update"),
            Self::RoomRestarted => CloseReason::Fixed("room restarted"),
            Self::RoomClosed => CloseReason::Fixed("room closed"),
            Self::PluginReloaded => CloseReason::Fixed("plugin reloaded"),
            Self::Draining => CloseReason::Fixed("server is draining"),
            Self::OutboundQueueFull => CloseReason::Fixed("outbound queue full"),
            Self::PluginQuotaExceeded => CloseReason::Fixed("the plugin may use no more"),
        }
    }

    /// The Close frame with the fixed reason. A close whose reason differs from one to the next has
    /// [`Self::frame_with_reason`] instead.
    pub fn frame(self) -> CloseFrame {
        CloseFrame::new(self.code(), self.reason().text())
    }

    /// The Close frame with a reason of its own.
    pub fn frame_with_reason(self, reason: String) -> CloseFrame {
        CloseFrame::new(self.code(), reason)
    }
}

#[cfg(test)]
mod tests;
