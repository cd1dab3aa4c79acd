//! Operations that were taken out of the queue, and the right to take memberships.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::AtomicU64;

use super::super::health::Health;
use super::{OperationKind, OperationQueue, QueueOperation};

/// Operations that were taken out of a queue to be carried out, in their order.
///
/// Whatever ends it early, an error, a return or the end of a task at an await, nothing in it vanishes: when it is
/// dropped the operations that nobody took go back to the front of the queue, and so do the memberships that were
/// taken and are not [written](Self::written).
pub(crate) struct OperationBatch<'a, O: QueueOperation> {
    queue: &'a OperationQueue<O>,
    operations: VecDeque<(u64, O)>,
    /// Memberships that are being written.
    in_flight: Vec<(u64, O)>,
}

/// The next operation of a batch.
pub(crate) enum Next<'a, O> {
    /// A membership to be written, which the batch keeps until it is.
    Membership(&'a O),
    /// An operation that is the taker's from now on.
    Other(O),
}

impl<'a, O: QueueOperation> OperationBatch<'a, O> {
    pub(super) fn new(queue: &'a OperationQueue<O>, operations: VecDeque<(u64, O)>) -> Self {
        Self { queue, operations, in_flight: Vec::new() }
    }

    /// Whether nothing is left to take.
    pub(crate) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// What [`next`](Self::next) would give.
    pub(crate) fn peek(&self) -> Option<&O> {
        self.operations.front().map(|(_, operation)| operation)
    }

    /// Takes the next operation.
    pub(crate) fn next(&mut self) -> Option<Next<'_, O>> {
        let (number, operation) = self.operations.pop_front()?;
        if operation.kind() != OperationKind::Membership {
            return Some(Next::Other(operation));
        }
        self.in_flight.push((number, operation));
        self.in_flight.last().map(|(_, membership)| Next::Membership(membership))
    }

    /// The place of the next membership among those that were taken and are not written.
    pub(crate) fn next_membership_index(&self) -> usize {
        self.in_flight.len()
    }

    /// The memberships that were taken so far are written.
    pub(crate) fn mark_written(&mut self) {
        self.mark_written_except(&HashSet::new());
    }

    /// The same, but for those that Redis refused: their places among them.
    pub(crate) fn mark_written_except(&mut self, refused: &HashSet<usize>) {
        self.queue.complete_memberships(std::mem::take(&mut self.in_flight), refused);
    }
}

impl<O: QueueOperation> Drop for OperationBatch<'_, O> {
    fn drop(&mut self) {
        if !self.operations.is_empty() || !self.in_flight.is_empty() {
            let operations = std::mem::take(&mut self.operations);
            self.queue.requeue(operations, std::mem::take(&mut self.in_flight));
        }
    }
}

/// While it is kept the queue takes memberships. When it is dropped, Redis is away: messages wait, and memberships
/// are deferred.
pub(crate) struct AttachGuard<'a, O: QueueOperation> {
    queue: &'a OperationQueue<O>,
    /// The number that the next operation has.
    last_deferred_number: u64,
}

impl<'a, O: QueueOperation> AttachGuard<'a, O> {
    pub(super) fn new(queue: &'a OperationQueue<O>, last_deferred_number: u64) -> Self {
        Self { queue, last_deferred_number }
    }

    /// Takes some of the memberships that were deferred before. None are left where the batch is empty.
    pub(crate) fn take_deferred(&self) -> OperationBatch<'a, O> {
        self.queue.take_deferred(self.last_deferred_number)
    }
}

impl<O: QueueOperation> Drop for AttachGuard<'_, O> {
    fn drop(&mut self) {
        self.queue.detach();
    }
}

/// Messages that were sent to Redis and are not answered. They count as lost if this is dropped before they are.
pub(crate) struct Unanswered<'a> {
    lost_counter: &'a AtomicU64,
    count: u64,
}

impl<'a> Unanswered<'a> {
    pub(crate) fn new(lost_counter: &'a AtomicU64, count: u64) -> Self {
        Self { lost_counter, count }
    }

    /// They were answered.
    pub(crate) fn answered(mut self) {
        self.count = 0;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        Health::count(self.lost_counter, self.count);
    }
}
