//! Operations that were taken out of a queue.

use std::collections::{HashSet, VecDeque};

use super::queue_operation::{OperationKind, QueueOperation};
use super::queue_state::SharedQueueState;

/// Operations that were taken out of a queue to be carried out, in order.
///
/// No operation is lost if the batch ends early, by an error, a return or a task that is aborted at an await. Dropping
/// the batch puts back at the front of the queue the operations that nobody took, and the memberships that were taken
/// and are not [written](Self::mark_written).
pub(crate) struct OperationBatch<'a, O: QueueOperation> {
    state: &'a SharedQueueState<O>,
    operations: VecDeque<(u64, O)>,
    /// Memberships that are being written.
    in_flight: Vec<(u64, O)>,
}

/// The next operation of a batch.
pub(crate) enum BatchItem<'a, O> {
    /// A membership to write. The batch keeps it until it is written.
    Membership(&'a O),
    /// Any other operation, which the caller owns from now on.
    Other(O),
}

impl<'a, O: QueueOperation> OperationBatch<'a, O> {
    pub(super) fn new(state: &'a SharedQueueState<O>, operations: VecDeque<(u64, O)>) -> Self {
        Self { state, operations, in_flight: Vec::new() }
    }

    /// Whether no operation is left to take.
    pub(crate) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Returns the operation that [`next`](Self::next) would take.
    pub(crate) fn peek(&self) -> Option<&O> {
        self.operations.front().map(|(_, operation)| operation)
    }

    /// Takes the next operation.
    pub(crate) fn next(&mut self) -> Option<BatchItem<'_, O>> {
        let (number, operation) = self.operations.pop_front()?;
        if operation.kind() != OperationKind::Membership {
            return Some(BatchItem::Other(operation));
        }
        self.in_flight.push((number, operation));
        self.in_flight.last().map(|(_, membership)| BatchItem::Membership(membership))
    }

    /// Returns the index that the next membership will have among those that were taken and are not written.
    pub(crate) fn next_membership_index(&self) -> usize {
        self.in_flight.len()
    }

    /// Marks the memberships that were taken so far as written.
    pub(crate) fn mark_written(&mut self) {
        self.mark_written_except(&HashSet::new());
    }

    /// Marks the memberships that were taken so far as written, except for those that Redis refused, by index.
    pub(crate) fn mark_written_except(&mut self, refused: &HashSet<usize>) {
        let memberships = std::mem::take(&mut self.in_flight);
        let dropped = self.state.lock().complete_memberships(memberships, refused);
        drop(dropped);
    }
}

impl<O: QueueOperation> Drop for OperationBatch<'_, O> {
    fn drop(&mut self) {
        if self.operations.is_empty() && self.in_flight.is_empty() {
            return;
        }
        let operations = std::mem::take(&mut self.operations);
        let in_flight = std::mem::take(&mut self.in_flight);
        let dropped = self.state.lock().requeue(operations, in_flight);
        // Dropping an operation tells its caller, which may wake a task, so it happens without the lock.
        drop(dropped);
    }
}
