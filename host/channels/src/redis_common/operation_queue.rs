//! The queue of operations that wait to be sent to Redis.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::attach_guard::AttachGuard;
use super::operation_batch::OperationBatch;
use super::queue_operation::QueueOperation;
use super::queue_state::SharedQueueState;
use crate::{LayerError, QueueLoad};

/// A bounded queue of operations that wait to be sent to Redis, in order.
///
/// Each operation has a number, and leaves in the order of the numbers. A membership that finds no room is deferred:
/// the queue keeps only the last deferred membership of each channel in each group.
pub(crate) struct OperationQueue<O: QueueOperation> {
    state: SharedQueueState<O>,
    arrived: Notify,
}

impl<O: QueueOperation> Default for OperationQueue<O> {
    fn default() -> Self {
        Self { state: SharedQueueState::default(), arrived: Notify::new() }
    }
}

impl<O: QueueOperation> OperationQueue<O> {
    /// Whether there is room for a message of `len` bytes after the `pending` ones.
    pub(crate) fn has_room(&self, pending: QueueLoad, len: usize) -> bool {
        self.state.lock().has_room(pending, len)
    }

    /// Returns the number of queued operations.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().len()
    }

    /// Adds an operation. A membership without room is deferred.
    ///
    /// # Errors
    /// Returns the operation if there is no room, or too many memberships are deferred.
    pub(crate) fn push(&self, operation: O) -> Result<(), O> {
        self.state.lock().try_push(operation)?;
        self.arrived.notify_one();
        Ok(())
    }

    /// Adds an operation, whether there is room or not: a message that was read from Redis and goes back there.
    pub(crate) fn push_unbounded(&self, operation: O) {
        self.state.lock().push(operation);
        self.arrived.notify_one();
    }

    /// Returns a receiver that resolves when the memberships before are written, or `None` if all are.
    pub(crate) fn confirm_memberships(&self) -> Option<oneshot::Receiver<Result<(), LayerError>>> {
        let mut state = self.state.lock();
        if state.is_attached() && !state.has_unwritten_memberships() {
            return None;
        }
        let (barrier, confirmed) = oneshot::channel();
        if state.is_attached() {
            state.push(O::from_barrier(barrier));
            drop(state);
            self.arrived.notify_one();
        }
        Some(confirmed)
    }

    /// Waits for an operation and takes a batch.
    pub(crate) async fn next_batch(&self) -> OperationBatch<'_, O> {
        loop {
            let arrived = self.arrived.notified();
            let batch = self.try_next_batch();
            if !batch.is_empty() {
                return batch;
            }
            arrived.await;
        }
    }

    /// Takes a batch, which is empty if the queue is.
    pub(crate) fn try_next_batch(&self) -> OperationBatch<'_, O> {
        OperationBatch::new(&self.state, self.state.lock().take_batch())
    }

    /// Returns an empty batch.
    pub(crate) fn empty_batch(&self) -> OperationBatch<'_, O> {
        OperationBatch::new(&self.state, VecDeque::new())
    }

    /// Adds the memberships that Redis refused to the next batch, at their places among the others.
    pub(crate) fn retry_refused(&self) {
        self.state.lock().retry_refused();
    }

    /// Drops the messages that have waited for `expiry`, and returns their number.
    pub(crate) fn drop_expired(&self, expiry: Duration) -> u64 {
        let expired = self.state.lock().take_expired(expiry);
        expired.len() as u64
    }

    /// Queues memberships until the guard is dropped, since Redis is reachable.
    pub(crate) fn attach(&self) -> AttachGuard<'_, O> {
        AttachGuard::new(&self.state)
    }
}
