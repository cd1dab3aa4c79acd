//! A decision about a handshake that a consumer makes after its `connect`.

use narrowboat_core::handshake_response::{Acceptance, Rejection};

/// A decision about a handshake that a consumer makes after its `connect`. Its response is not checked yet.
#[derive(Debug, PartialEq, Eq)]
pub enum LateDecision {
    /// Responds with 101 and opens the WebSocket.
    Accept(Acceptance),
    /// Responds with another status.
    Reject(Rejection),
}
