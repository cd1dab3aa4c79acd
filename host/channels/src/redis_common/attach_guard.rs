//! The time during which a queue has a connection to Redis.

use super::operation_batch::OperationBatch;
use super::queue_operation::QueueOperation;
use super::queue_state::SharedQueueState;

/// While this exists, the queue has a connection to Redis and queues memberships. Dropping it means that Redis is
/// unreachable: messages wait, and memberships are deferred.
pub(crate) struct AttachGuard<'a, O: QueueOperation> {
    state: &'a SharedQueueState<O>,
    /// The number of the last operation before this.
    last_deferred_number: u64,
}

impl<'a, O: QueueOperation> AttachGuard<'a, O> {
    pub(super) fn new(state: &'a SharedQueueState<O>) -> Self {
        let last_deferred_number = state.lock().attach();
        Self { state, last_deferred_number }
    }

    /// Takes some of the memberships that were deferred before. An empty batch means that none are left.
    pub(crate) fn take_deferred(&self) -> OperationBatch<'a, O> {
        let operations = self.state.lock().take_deferred(self.last_deferred_number);
        OperationBatch::new(self.state, operations)
    }
}

impl<O: QueueOperation> Drop for AttachGuard<'_, O> {
    fn drop(&mut self) {
        let dropped = self.state.lock().detach();
        // Dropping an operation tells its caller, which may wake a task, so it happens without the lock.
        drop(dropped);
    }
}
