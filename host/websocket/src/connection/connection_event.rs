//! Events that a connection reports to its session.

use narrowboat_core::frame::Frame;

use super::connection_end::ConnectionEnd;

/// An event that a connection reports to its session.
#[derive(Debug)]
pub enum ConnectionEvent {
    /// The client sent a complete message.
    Message(Frame),
    /// The connection has ended or is about to. Call [`Connection::finish`](super::Connection::finish).
    Closed(Box<ConnectionEnd>),
    /// The host has begun to stop. This event comes once.
    Stop,
    /// A command waits for the session.
    CommandPending,
}

/// The requests of other tasks to a connection.
#[derive(Debug)]
pub struct ControlState {
    /// Whether no task has closed the connection.
    pub is_open: bool,
    /// The event for the session: [`ConnectionEvent::Stop`] or [`ConnectionEvent::CommandPending`].
    pub event: Option<ConnectionEvent>,
}
