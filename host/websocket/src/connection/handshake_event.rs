//! Events of a connection whose consumer has not decided its handshake.

use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::Fault;

use super::late_decision::LateDecision;

/// An event of a connection whose consumer has not decided its handshake.
#[derive(Debug)]
pub enum HandshakeEvent {
    /// A consumer has decided. No further decision follows.
    Decided(LateDecision),
    /// The connection is closed before a decision, because of the fault if there is one.
    Closed(CloseFrame, Option<Fault>),
    /// The host has begun to stop. This event comes once.
    Stop,
    /// A command waits for the session.
    CommandPending,
}
