//! Failures of the host.

use thiserror::Error;

/// A fault of the host.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HostFault {
    /// The host is shutting down.
    #[error("shutting down")]
    ShuttingDown,
    /// The consumer could not migrate to another version of its plugin.
    #[error("the consumer could not move to another version: {0}")]
    StateLost(String),
    /// The state of the room could not be saved after an event. The log has the reason, once for the room.
    #[error("the state of the room could not be saved")]
    RoomUnsaved,
    /// An operator has deleted the state of the room.
    #[error("an operator reset the room")]
    RoomReset,
}
