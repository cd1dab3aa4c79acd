//! The end of a connection.

use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::Fault;

/// The end of a connection, as its consumer sees it.
#[derive(Debug)]
pub struct ConnectionEnd {
    /// The code and the reason that the consumer gets.
    pub close_frame: CloseFrame,
    /// The fault that ended the connection, if one did.
    pub fault: Option<Fault>,
    /// Whether this side closed first. Messages that the client sent after that are lost.
    pub is_local_close: bool,
}

impl ConnectionEnd {
    /// Returns the end of a connection that the client closed, or that was lost.
    pub(super) fn from_peer(close_frame: CloseFrame) -> Self {
        Self { close_frame, fault: None, is_local_close: false }
    }

    /// Returns the end of a connection by a fault of the client.
    pub(super) fn from_fault(fault: Fault) -> Self {
        Self { close_frame: fault.close_frame(), fault: Some(fault), is_local_close: false }
    }
}
