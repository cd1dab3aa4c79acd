//! The queue between a layer and its backend.

use super::{LayerError, LayerStatus, MaybeReady, QueueLoad};

/// The queue between a layer and its backend. The default methods are those of a layer that carries out every operation
/// before the call returns.
pub trait LayerQueue: Send + Sync {
    /// Checks whether a message or frame of `len` bytes may be sent after `pending`.
    ///
    /// # Errors
    /// [`LayerError::TooLarge`], or [`LayerError::Unavailable`] where the queue to the backend is full.
    fn check_room(&self, pending: QueueLoad, len: usize) -> Result<(), LayerError>;

    /// Waits until the backend has every membership change that was queued before.
    fn wait_for_memberships(&self) -> MaybeReady<'_, Result<(), LayerError>> {
        MaybeReady::ready(Ok(()))
    }

    /// Waits until every operation that was queued before has left this process.
    fn wait_until_sent(&self) -> MaybeReady<'_, Result<(), LayerError>> {
        MaybeReady::ready(Ok(()))
    }

    /// Returns the connection state and the counters.
    fn status(&self) -> LayerStatus;
}
