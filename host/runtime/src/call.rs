//! One event for a guest, and what comes back besides its effects.

use std::sync::Arc;

use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::frame::Frame;
use narrowboat_core::handshake_response::{Acceptance, Rejection};
use narrowboat_core::message::Message;
use narrowboat_core::scope::Scope;
use narrowboat_websocket::connection::{ConnectionHandle, TimerId};

/// Names a connection within its instance; never used twice there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(crate) u32);

/// The type behind the guest's `connection` handles: never made, a handle is only its number.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub enum WitConnection {}

/// An event on its way into a guest.
#[derive(Debug)]
pub enum Call {
    /// A handshake to decide.
    Connect {
        /// The connection it would open.
        connection: Arc<ConnectionHandle>,
        /// What is known of it.
        scope: Arc<Scope>,
    },
    /// A frame of the client.
    Receive(ConnectionId, Frame),
    /// A message of the layer.
    Handle(ConnectionId, Message),
    /// A timer that is due.
    Timer(ConnectionId, TimerId),
    /// The end of a connection; its consumer is dropped afterwards.
    Disconnect(ConnectionId, CloseFrame),
}

impl Call {
    /// The consumer it is brought to, if it has one already.
    pub fn consumer(&self) -> Option<ConnectionId> {
        match self {
            Self::Connect { .. } => None,
            Self::Receive(id, _)
            | Self::Handle(id, _)
            | Self::Timer(id, _)
            | Self::Disconnect(id, _) => Some(*id),
        }
    }
}

/// What a call answers.
#[derive(Debug)]
pub enum GuestReply {
    /// The handshake is accepted and a consumer exists.
    Accepted(ConnectionId, Acceptance),
    /// The handshake is turned away.
    Rejected(Rejection),
    /// Nothing but effects.
    Done,
    /// A message of a type that the consumer does not know.
    UnknownType,
    /// The guest blames the client, and the connection closes with this.
    ClientError(CloseFrame),
    /// It returned an error with this text after a frame for its client was refused, because that has left or does not
    /// read.
    ErrorAfterRefusedSend(String),
}
