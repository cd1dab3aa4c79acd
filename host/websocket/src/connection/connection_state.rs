//! The life cycle of a connection.

use tokio::time::Instant;

use super::connection_end::ConnectionEnd;

/// The state of a connection, between the opening handshake and the end of its TCP connection (RFC 6455, section 7).
///
/// ```text
///            +------+    this side starts the closing handshake    +-------------------+
///     new -->| Open |--------------------------------------------->| AwaitingPeerClose |
///            +------+                                              +-------------------+
///               |                                                            |
///               | the peer's Close, a fault of the peer,                     | the peer's Close, a fault of the peer,
///               | the end of the stream, the idle time-out                   | the end of the stream, the deadline
///               |                                                            |
///               |    reports the peer's end     +-------+    reports the end that this side set
///               +------------------------------>| Ended |<-------------------+
///                                               +-------+
///                                                   |
///                                                   | `finish`: writes the queue and a Close, shuts the stream down
///                                                   v
///                                              TCP closed
/// ```
pub(super) enum ConnectionState {
    /// Neither side has closed. Messages pass in both directions.
    Open,
    /// A Close frame of this side is queued or sent, and the peer's Close has not come. Messages of the peer are
    /// dropped.
    AwaitingPeerClose {
        /// The end that is reported, however the peer answers. Boxed, so that an open connection has no room for it.
        end: Box<ConnectionEnd>,
        /// The time at which the connection ends without the peer's Close.
        deadline: Instant,
    },
    /// The session has got the end.
    Ended,
}

impl ConnectionState {
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }

    /// Ends the connection because of the peer. Returns `peer_end`, or the end that this side set when it closed first.
    pub(super) fn end(&mut self, peer_end: ConnectionEnd) -> Box<ConnectionEnd> {
        match std::mem::replace(self, Self::Ended) {
            Self::AwaitingPeerClose { end, .. } => end,
            Self::Open | Self::Ended => Box::new(peer_end),
        }
    }

    /// Ends a connection whose peer has not sent its Close by the deadline.
    pub(super) fn end_if_overdue(&mut self, now: Instant) -> Option<Box<ConnectionEnd>> {
        match std::mem::replace(self, Self::Ended) {
            Self::AwaitingPeerClose { end, deadline } if now >= deadline => Some(end),
            state => {
                *self = state;
                None
            }
        }
    }
}

/// The writing side of a stream. It does not change the [`ConnectionState`]: messages that the peer sent before can
/// still be read, and reading reports the end.
///
/// ```text
///     new --> Open -- a write fails --> Failed
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteHalf {
    Open,
    /// Nothing more is written.
    Failed,
}
