//! Requests of operators to end a room.

use tokio::sync::oneshot;

use super::room_store::RoomStoreError;

/// The way in which an operator ends a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomEnd {
    /// Close its connections, save it, and let it sleep.
    Close,
    /// Close its connections, and delete its state.
    Reset,
}

/// A request to end a room.
pub(crate) struct EndRoom {
    pub(crate) end: RoomEnd,
    pub(crate) reply: oneshot::Sender<Result<(), RoomStoreError>>,
}
