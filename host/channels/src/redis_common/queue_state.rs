//! The part of an operation queue that its lock guards.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::deferred_memberships::DeferredMemberships;
use super::queue_operation::{OperationKind, QueueOperation};
use crate::QueueLoad;

/// The limits of a queue: operations, and bytes of messages.
const QUEUE_LIMIT: QueueLoad = QueueLoad { count: 20_000, bytes: 32 << 20 };

/// The limits of one batch.
const BATCH_LIMIT: QueueLoad = QueueLoad { count: 512, bytes: 1 << 20 };

/// The state of a queue behind its lock.
pub(super) struct SharedQueueState<O: QueueOperation>(Mutex<QueueState<O>>);

impl<O: QueueOperation> SharedQueueState<O> {
    pub(super) fn lock(&self) -> MutexGuard<'_, QueueState<O>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: QueueOperation> Default for SharedQueueState<O> {
    fn default() -> Self {
        Self(Mutex::new(QueueState {
            operations: VecDeque::new(),
            load: QueueLoad::default(),
            deferred: DeferredMemberships::default(),
            refused: DeferredMemberships::default(),
            last_number: 0,
            membership_count: 0,
            in_flight_count: 0,
            is_attached: false,
        }))
    }
}

/// The state of a queue. Its methods drop no operation, since that may wake a task: they return the operations that the
/// caller drops without the lock.
pub(super) struct QueueState<O: QueueOperation> {
    /// Operations by number, in order.
    operations: VecDeque<(u64, O)>,
    load: QueueLoad,
    deferred: DeferredMemberships<O>,
    /// Memberships that Redis refused, until [`retry_refused`](Self::retry_refused).
    refused: DeferredMemberships<O>,
    /// The number of the last operation.
    last_number: u64,
    /// The memberships among the operations.
    membership_count: usize,
    /// The memberships that were taken and are not written yet.
    in_flight_count: usize,
    /// Whether memberships are queued, which they are not while Redis is unreachable.
    is_attached: bool,
}

impl<O: QueueOperation> QueueState<O> {
    /// Whether there is room for a message of `len` bytes after the `pending` ones.
    pub(super) fn has_room(&self, pending: QueueLoad, len: usize) -> bool {
        let count = self.load.count.saturating_add(pending.count);
        let bytes = self.load.bytes.saturating_add(pending.bytes);
        count < QUEUE_LIMIT.count && (bytes == 0 || bytes.saturating_add(len) <= QUEUE_LIMIT.bytes)
    }

    /// Returns the number of queued operations.
    pub(super) fn len(&self) -> usize {
        self.load.count
    }

    /// Adds an operation. A membership without room is deferred.
    ///
    /// # Errors
    /// Returns the operation if there is no room, or too many memberships are deferred.
    pub(super) fn try_push(&mut self, operation: O) -> Result<(), O> {
        let is_membership = operation.kind() == OperationKind::Membership;
        let has_room = self.has_room(QueueLoad::default(), operation.payload_bytes());
        if is_membership && (!has_room || !self.is_attached) {
            let number = self.next_number();
            self.defer(number, operation)
        } else if has_room {
            self.push(operation);
            Ok(())
        } else {
            Err(operation)
        }
    }

    /// Adds an operation, whether there is room or not.
    pub(super) fn push(&mut self, operation: O) {
        let number = self.next_number();
        self.load = self.load.with_item(operation.payload_bytes());
        self.membership_count += usize::from(operation.kind() == OperationKind::Membership);
        self.operations.push_back((number, operation));
    }

    /// Whether a connection is attached.
    pub(super) fn is_attached(&self) -> bool {
        self.is_attached
    }

    /// Whether a membership is queued, deferred or in flight.
    pub(super) fn has_unwritten_memberships(&self) -> bool {
        self.membership_count + self.in_flight_count + self.deferred.len() > 0
    }

    /// Takes the operations of the next batch.
    pub(super) fn take_batch(&mut self) -> VecDeque<(u64, O)> {
        let mut taken = VecDeque::new();
        let mut load = QueueLoad::default();
        while load.count < BATCH_LIMIT.count && load.bytes < BATCH_LIMIT.bytes {
            let Some((number, operation)) = self.pop() else { break };
            load = load.with_item(operation.payload_bytes());
            taken.push_back((number, operation));
        }
        taken
    }

    /// Takes deferred memberships with numbers up to `last_number`, at most a batch.
    pub(super) fn take_deferred(&mut self, last_number: u64) -> VecDeque<(u64, O)> {
        let mut taken = VecDeque::new();
        while taken.len() < BATCH_LIMIT.count
            && self.deferred.first_number().is_some_and(|number| number <= last_number)
        {
            taken.extend(self.deferred.pop_first());
        }
        self.in_flight_count += taken.len();
        taken
    }

    /// Ends the flight of memberships. Redis has written them, except for those whose index is in `refused`.
    pub(super) fn complete_memberships(
        &mut self,
        memberships: Vec<(u64, O)>,
        refused: &HashSet<usize>,
    ) -> Vec<O> {
        let mut dropped = Vec::new();
        self.in_flight_count -= memberships.len();
        for (index, (number, membership)) in memberships.into_iter().enumerate() {
            let Some(key) = membership.key() else { continue };
            if refused.contains(&index) {
                dropped.extend(self.refused.insert(number, key, membership).err());
            } else if self.refused.len() > 0 {
                self.refused.remove_before(number, &key);
            }
        }
        dropped
    }

    /// Defers the memberships that Redis refused, so the next batch contains them at their places among the others.
    pub(super) fn retry_refused(&mut self) {
        while let Some((number, membership)) = self.refused.pop_first() {
            if let Some(key) = membership.key() {
                // If too many are deferred this one is dropped, as a late one is.
                let _ = self.deferred.insert(number, key, membership);
            }
        }
    }

    /// Puts back operations that were taken and not carried out.
    pub(super) fn requeue(
        &mut self,
        operations: VecDeque<(u64, O)>,
        in_flight: Vec<(u64, O)>,
    ) -> Vec<O> {
        let mut dropped = Vec::new();
        for (number, membership) in in_flight {
            self.in_flight_count -= 1;
            dropped.extend(self.defer(number, membership).err());
        }
        for (number, operation) in operations.into_iter().rev() {
            match operation.kind() {
                OperationKind::Membership => {
                    self.in_flight_count -= 1;
                    dropped.extend(self.defer(number, operation).err());
                }
                OperationKind::Message => {
                    self.load = self.load.with_item(operation.payload_bytes());
                    self.operations.push_front((number, operation));
                }
                OperationKind::Other => dropped.push(operation),
            }
        }
        dropped
    }

    /// Takes the messages at the front that have waited for `expiry`.
    pub(super) fn take_expired(&mut self, expiry: Duration) -> Vec<(u64, O)> {
        let mut expired = Vec::new();
        while let Some((_, operation)) = self.operations.front()
            && operation.sent_at().is_some_and(|sent_at| sent_at.elapsed() >= expiry)
        {
            self.load.bytes -= operation.payload_bytes();
            self.load.count -= 1;
            expired.extend(self.operations.pop_front());
        }
        expired
    }

    /// Queues memberships from now on. Returns the number of the last operation so far.
    pub(super) fn attach(&mut self) -> u64 {
        self.is_attached = true;
        self.last_number
    }

    /// Keeps only messages, and the memberships that the next connection does not write anyway.
    pub(super) fn detach(&mut self) -> Vec<O> {
        let mut dropped = Vec::new();
        self.is_attached = false;
        self.membership_count = 0;
        for (number, operation) in std::mem::take(&mut self.operations) {
            match operation.kind() {
                OperationKind::Message => self.operations.push_back((number, operation)),
                // A restorable one replaces those before it, and is dropped below.
                OperationKind::Membership => dropped.extend(match operation.key() {
                    Some(key) => self.deferred.insert(number, key, operation).err(),
                    None => Some(operation),
                }),
                OperationKind::Other => dropped.push(operation),
            }
        }
        self.retry_refused();
        self.deferred.drop_restorable();
        self.load.count = self.operations.len();
        dropped
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Keeps a membership that is not queued.
    fn defer(&mut self, number: u64, membership: O) -> Result<(), O> {
        match membership.key() {
            None => Err(membership),
            Some(key) if !self.is_attached && membership.is_restorable() => {
                self.deferred.remove_before(number, &key);
                Ok(())
            }
            Some(key) => self.deferred.insert(number, key, membership),
        }
    }

    /// Takes the operation with the lowest number.
    fn pop(&mut self) -> Option<(u64, O)> {
        let queued = self.operations.front().map(|(number, _)| *number);
        if let Some(deferred) = self.deferred.first_number()
            && queued.is_none_or(|queued| deferred < queued)
        {
            self.in_flight_count += 1;
            return self.deferred.pop_first();
        }
        let (number, operation) = self.operations.pop_front()?;
        self.load.count -= 1;
        self.load.bytes -= operation.payload_bytes();
        let membership = usize::from(operation.kind() == OperationKind::Membership);
        self.membership_count -= membership;
        self.in_flight_count += membership;
        Some((number, operation))
    }
}
