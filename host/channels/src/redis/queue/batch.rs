//! Operations that were taken out of the queue, and the right to take memberships.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::AtomicU64;

use super::super::health::Health;
use super::{Kind, Operation, Queue};

/// Operations that were taken out of a queue to be carried out, in their order.
///
/// Whatever ends it early, an error, a return or the end of a task at an await, nothing in it vanishes: when it is
/// dropped the operations that nobody took go back to the front of the queue, and so do the memberships that were
/// taken and are not [written](Self::written).
pub(crate) struct Batch<'a, O: Operation> {
    queue: &'a Queue<O>,
    operations: VecDeque<(u64, O)>,
    /// Memberships that are being written.
    under_way: Vec<(u64, O)>,
}

/// The next operation of a batch.
pub(crate) enum Next<'a, O> {
    /// A membership to be written, which the batch keeps until it is.
    Membership(&'a O),
    /// An operation that is the taker's from now on.
    Other(O),
}

impl<'a, O: Operation> Batch<'a, O> {
    pub(super) fn new(queue: &'a Queue<O>, operations: VecDeque<(u64, O)>) -> Self {
        Self { queue, operations, under_way: Vec::new() }
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
        if operation.kind() != Kind::Membership {
            return Some(Next::Other(operation));
        }
        self.under_way.push((number, operation));
        self.under_way.last().map(|(_, membership)| Next::Membership(membership))
    }

    /// The place of the next membership among those that were taken and are not written.
    pub(crate) fn place(&self) -> usize {
        self.under_way.len()
    }

    /// The memberships that were taken so far are written.
    pub(crate) fn written(&mut self) {
        self.written_but(&HashSet::new());
    }

    /// The same, but for those that Redis refused: their places among them.
    pub(crate) fn written_but(&mut self, refused: &HashSet<usize>) {
        self.queue.done(std::mem::take(&mut self.under_way), refused);
    }
}

impl<O: Operation> Drop for Batch<'_, O> {
    fn drop(&mut self) {
        if !self.operations.is_empty() || !self.under_way.is_empty() {
            let operations = std::mem::take(&mut self.operations);
            self.queue.put_back(operations, std::mem::take(&mut self.under_way));
        }
    }
}

/// While it is kept the queue takes memberships. When it is dropped, Redis is away: messages wait, and memberships
/// are deferred.
pub(crate) struct Attached<'a, O: Operation> {
    queue: &'a Queue<O>,
    /// The number that the next operation has.
    from: u64,
}

impl<'a, O: Operation> Attached<'a, O> {
    pub(super) fn new(queue: &'a Queue<O>, from: u64) -> Self {
        Self { queue, from }
    }

    /// Takes some of the memberships that were deferred before. None are left where the batch is empty.
    pub(crate) fn deferred(&self) -> Batch<'a, O> {
        self.queue.take_deferred(self.from)
    }
}

impl<O: Operation> Drop for Attached<'_, O> {
    fn drop(&mut self) {
        self.queue.suspend();
    }
}

/// Messages that were sent to Redis and are not answered. They count as lost if this is dropped before they are.
pub(crate) struct Unanswered<'a> {
    lost: &'a AtomicU64,
    count: u64,
}

impl<'a> Unanswered<'a> {
    pub(crate) fn new(lost: &'a AtomicU64, count: u64) -> Self {
        Self { lost, count }
    }

    /// They were answered.
    pub(crate) fn answered(mut self) {
        self.count = 0;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        Health::count(self.lost, self.count);
    }
}
