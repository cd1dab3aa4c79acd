//! The text of the reference page about each close of the host.

use super::{CloseCause, HostClose};

impl HostClose {
    /// The conditions of the close, as Markdown.
    pub const fn when(self) -> &'static str {
        match self {
            Self::ShuttingDown => {
                "The host got SIGTERM or SIGINT. The consumer's `disconnect` runs first and may still send frames."
            }
            Self::RouteRemoved => {
                "The configuration was reloaded and does not have the plugin or its tenant any more. A connection \
                 whose handshake ends meanwhile gets the same code."
            }
            Self::ProtocolRuleBroken => {
                "The client broke the protocol: a frame without a mask, a reserved bit or opcode, a fragmented \
                 control frame or one of more than 125 bytes, a wrong order of fragments, a Close frame with one \
                 byte of payload, deflated data that cannot be inflated."
            }
            Self::InvalidCloseCode => {
                "The client's Close frame has a code that may not be sent, see below."
            }
            Self::InvalidUtf8 => "A text message, or the reason in a Close frame, is not UTF-8.",
            Self::IdleTimeout => {
                "The host received nothing for `idle_timeout`, not even a pong or a part of a frame."
            }
            Self::RejectedAfterRestart => {
                "`on_failed_move = \"restart\"`: the `connect` of the fresh consumer answered `later`, and the consumer \
                 then called `reject`. The connection was open already."
            }
            Self::MessageTooBig => {
                "A message is larger than `max_message` of the route or of `[limits]`, or a frame is larger than \
                 `max_frame`. A deflated message counts inflated."
            }
            Self::ConsumerFailed => "The plugin failed, see below.",
            Self::StateLost => "The consumer could not move to another version, see below.",
            Self::RoomRestarted => {
                "`room_save = \"event\"`: the state of the room could not be saved, so that the effects of the last events \
                 did not take place. The next visitor finds the state that was saved last."
            }
            Self::RoomClosed => "`narrowboat rooms --close` or `--reset` ended the room.",
            Self::PluginReloaded => {
                "The configuration was reloaded and has different settings for the plugin or its layer."
            }
            Self::Draining => "`narrowboat drain` runs.",
            Self::OutboundQueueFull => "The client does not read, see below.",
            Self::PluginQuotaExceeded => {
                "An open connection needed a new instance, or its instance touched more memory, and the plugin or \
                 its tenant reached a limit of instances or memory. A handshake gets the HTTP status 503 instead."
            }
        }
    }

    /// Those who can cause the close.
    pub const fn causes(self) -> &'static [CloseCause] {
        match self {
            Self::ShuttingDown
            | Self::RouteRemoved
            | Self::RoomClosed
            | Self::PluginReloaded
            | Self::Draining => &[CloseCause::Operator],
            Self::ProtocolRuleBroken
            | Self::InvalidCloseCode
            | Self::InvalidUtf8
            | Self::MessageTooBig
            | Self::OutboundQueueFull => &[CloseCause::Client],
            Self::IdleTimeout => &[CloseCause::Client, CloseCause::Network],
            Self::ConsumerFailed | Self::RejectedAfterRestart => &[CloseCause::Plugin],
            Self::StateLost | Self::RoomRestarted | Self::PluginQuotaExceeded => {
                &[CloseCause::Plugin, CloseCause::Operator]
            }
        }
    }
}
