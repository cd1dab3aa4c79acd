//! One event for a guest, and the reply of the guest.

use std::collections::VecDeque;
use std::sync::Arc;

use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::frame::Frame;
use narrowboat_core::handshake_response::{Acceptance, Rejection};
use narrowboat_core::message::Message;
use narrowboat_core::scope::Scope;
use narrowboat_websocket::connection::{ConnectionHandle, TimerId};

/// The identifier of a connection within its instance. An instance never reuses one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(crate) u32);

/// The type of the guest's `connection` handles. It has no values: a handle is only a [`ConnectionId`].
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub enum WitConnection {}

/// An event for a guest.
#[derive(Debug)]
pub enum Call {
    /// A handshake that the guest accepts or rejects.
    Connect {
        /// The connection that opens if the guest accepts.
        connection: Arc<ConnectionHandle>,
        /// The request of the handshake.
        scope: Arc<Scope>,
    },
    /// A frame from the client.
    Receive(ConnectionId, Frame),
    /// Frames that came one after the other, each an event of its own. A call removes those whose events have ended.
    ReceiveMany(ConnectionId, VecDeque<Frame>),
    /// A message from the channel layer.
    Handle(ConnectionId, Message),
    /// A timer that has expired.
    Timer(ConnectionId, TimerId),
    /// The end of a connection. Its consumer is dropped afterwards.
    Disconnect(ConnectionId, CloseFrame),
    /// The rejection of a handshake that `connect` left open. Its consumer is dropped without a `disconnect`.
    Discard(ConnectionId),
}

impl Call {
    /// The consumer that the event is for. `None` for a handshake, which does not have a consumer yet.
    pub fn consumer(&self) -> Option<ConnectionId> {
        match self {
            Self::Connect { .. } => None,
            Self::Receive(id, _)
            | Self::ReceiveMany(id, _)
            | Self::Handle(id, _)
            | Self::Timer(id, _)
            | Self::Disconnect(id, _)
            | Self::Discard(id) => Some(*id),
        }
    }

    /// Splits off the first event of several frames. Returns the others too.
    #[must_use]
    pub fn split_first_event(self) -> (Self, VecDeque<Frame>) {
        match self {
            Self::ReceiveMany(id, mut frames) => match frames.pop_front() {
                Some(first) => (Self::Receive(id, first), frames),
                None => (Self::ReceiveMany(id, frames), VecDeque::new()),
            },
            call => (call, VecDeque::new()),
        }
    }

    /// The frames of a call whose events have not happened.
    pub fn into_rest(self) -> VecDeque<Frame> {
        match self {
            Self::ReceiveMany(_, frames) => frames,
            _ => VecDeque::new(),
        }
    }

    /// The bytes of the frames or the message of the call.
    pub fn payload_len(&self) -> usize {
        match self {
            Self::Receive(_, frame) => frame.len(),
            Self::ReceiveMany(_, frames) => frames.iter().map(Frame::len).sum(),
            Self::Handle(_, message) => message.len(),
            Self::Connect { .. } | Self::Timer(..) | Self::Disconnect(..) | Self::Discard(_) => 0,
        }
    }

    /// Whether the call ends a consumer.
    pub(crate) fn ends_consumer(&self) -> bool {
        matches!(self, Self::Disconnect(..) | Self::Discard(_))
    }
}

/// The reply of a guest to a call.
#[derive(Debug)]
pub enum GuestReply {
    /// The guest accepted the handshake and created a consumer.
    Accepted(ConnectionId, Acceptance),
    /// The guest created a consumer, which accepts or rejects the handshake in a later event.
    DecidesLater(ConnectionId),
    /// The guest rejected the handshake.
    Rejected(Rejection),
    /// The guest handled the event.
    Done,
    /// The consumer does not know the type of the message.
    UnknownType,
    /// The guest blames the client. The connection closes with this frame.
    ClientError(CloseFrame),
    /// The guest returned an error with this text after a frame was refused because the client has left or does not
    /// read.
    ErrorAfterRefusedSend(String),
}

impl GuestReply {
    /// The consumer that a `connect` created, which has to be disconnected if no session gets it.
    pub fn created_consumer(&self) -> Option<ConnectionId> {
        match self {
            Self::Accepted(id, _) | Self::DecidesLater(id) => Some(*id),
            _ => None,
        }
    }
}
