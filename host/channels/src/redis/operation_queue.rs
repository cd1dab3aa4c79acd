//! What waits to leave for Redis.

mod deferred_memberships;
mod operation_batch;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use self::deferred_memberships::DeferredMemberships;
use crate::{LayerError, QueueLoad};

pub(crate) use operation_batch::{AttachGuard, Next, OperationBatch, Unanswered};

/// What waits at most: operations, and bytes of messages.
const QUEUE_LIMIT: QueueLoad = QueueLoad { count: 20_000, bytes: 32 << 20 };

/// What leaves in one batch at most.
const BATCH_LIMIT: QueueLoad = QueueLoad { count: 512, bytes: 1 << 20 };

/// Tells that what was asked for before is done.
pub(crate) type BarrierSender = oneshot::Sender<Result<(), LayerError>>;

/// One thing to be done.
pub(crate) trait QueueOperation: Sized {
    /// What tells one membership from others.
    type Key: Eq + Hash;

    /// The key of a membership; none of anything else.
    fn key(&self) -> Option<Self::Key>;

    /// Whether it is a membership that is written anyway when Redis is reached anew, from what is known here.
    fn is_restorable(&self) -> bool;

    /// The bytes of a message.
    fn payload_bytes(&self) -> usize;

    /// When a message was sent; none of anything else.
    fn sent_at(&self) -> Option<Instant>;

    /// What it is to the queue.
    fn kind(&self) -> OperationKind;

    /// To be told of what was before.
    fn from_barrier(told: BarrierSender) -> Self;

    /// To take a turn.
    fn claim(claim: LeaseRequest) -> Self;
}

/// A turn to be taken.
pub(crate) struct LeaseRequest {
    pub(crate) shard: usize,
    pub(crate) key: String,
    /// How long nobody else can take it, in milliseconds.
    pub(crate) lease_millis: u64,
    pub(crate) reply: oneshot::Sender<Result<bool, LayerError>>,
}

impl LeaseRequest {
    /// The command that takes it, if nobody has it.
    pub(crate) fn set_command(&self) -> redis::Cmd {
        let mut command = redis::cmd("SET");
        command.arg(&self.key).arg(1).arg("NX").arg("PX").arg(self.lease_millis);
        command
    }

    /// Tells what Redis answered to the command.
    pub(crate) fn send_reply(self, answer: &redis::Value) {
        let _ = self.reply.send(match answer {
            redis::Value::ServerError(error) => {
                Err(LayerError::Unavailable { reason: error.to_string() })
            }
            answer => Ok(matches!(answer, redis::Value::Okay)),
        });
    }
}

/// What an operation is to the queue.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperationKind {
    /// It waits for a server that is away.
    Message,
    /// It begins or ends a membership, which is known without it.
    Membership,
    Other,
}

/// Operations that wait in their order, bounded.
///
/// Each has a number, and leaves in the order of the numbers. A membership that finds no room is deferred: of those
/// only the last for each channel in each group is kept.
pub(crate) struct OperationQueue<O: QueueOperation> {
    state: Mutex<QueueState<O>>,
    arrived: Notify,
}

struct QueueState<O: QueueOperation> {
    operations: VecDeque<(u64, O)>,
    load: QueueLoad,
    deferred: DeferredMemberships<O>,
    /// Those that Redis refused, until they are [tried again](Queue::retry).
    refused: DeferredMemberships<O>,
    /// The number of the next operation.
    last_number: u64,
    /// Memberships among the operations.
    membership_count: usize,
    /// Memberships that were taken and are not written yet.
    in_flight_count: usize,
    /// Whether memberships are queued: not while Redis is away.
    is_attached: bool,
}

impl<O: QueueOperation> Default for OperationQueue<O> {
    fn default() -> Self {
        let waiting = QueueState {
            operations: VecDeque::new(),
            load: QueueLoad::default(),
            deferred: DeferredMemberships::default(),
            refused: DeferredMemberships::default(),
            last_number: 0,
            membership_count: 0,
            in_flight_count: 0,
            is_attached: false,
        };
        Self { state: Mutex::new(waiting), arrived: Notify::new() }
    }
}

impl<O: QueueOperation> QueueState<O> {
    fn has_room(&self, pending: QueueLoad, len: usize) -> bool {
        let count = self.load.count.saturating_add(pending.count);
        let bytes = self.load.bytes.saturating_add(pending.bytes);
        count < QUEUE_LIMIT.count && (bytes == 0 || bytes.saturating_add(len) <= QUEUE_LIMIT.bytes)
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn push(&mut self, operation: O) {
        let number = self.next_number();
        self.load = self.load.with_item(operation.payload_bytes());
        self.membership_count += usize::from(operation.kind() == OperationKind::Membership);
        self.operations.push_back((number, operation));
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

    fn retry_refused(&mut self) {
        while let Some((number, membership)) = self.refused.pop_first() {
            if let Some(key) = membership.key() {
                // Where there are too many it is forgotten, as one that comes late is.
                let _ = self.deferred.insert(number, key, membership);
            }
        }
    }

    /// Takes the operation that is the next by its number.
    fn pop(&mut self) -> Option<(u64, O)> {
        let queued = self.operations.front().map(|(number, _)| *number);
        if let Some(first) = self.deferred.first_number()
            && queued.is_none_or(|queued| first < queued)
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

impl<O: QueueOperation> OperationQueue<O> {
    /// Whether a message of `len` bytes has room after what is pending.
    pub(crate) fn has_room(&self, pending: QueueLoad, len: usize) -> bool {
        self.lock_state().has_room(pending, len)
    }

    /// How many operations wait.
    pub(crate) fn len(&self) -> usize {
        self.lock_state().load.count
    }

    /// Adds an operation.
    ///
    /// # Errors
    /// Gives it back where there is no room. A membership is deferred then, and refused where too many are.
    pub(crate) fn push(&self, operation: O) -> Result<(), O> {
        let mut waiting = self.lock_state();
        let is_membership = operation.kind() == OperationKind::Membership;
        let has_room = waiting.has_room(QueueLoad::default(), operation.payload_bytes());
        if is_membership && (!has_room || !waiting.is_attached) {
            let number = waiting.next_number();
            waiting.defer(number, operation)?;
        } else if has_room {
            waiting.push(operation);
        } else {
            return Err(operation);
        }
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Adds an operation that was taken from Redis and goes back there, whether there is room or not.
    pub(crate) fn push_unbounded(&self, operation: O) {
        self.lock_state().push(operation);
        self.arrived.notify_one();
    }

    /// Resolves once the memberships before are done; none where there are none.
    pub(crate) fn confirm_memberships(&self) -> Option<oneshot::Receiver<Result<(), LayerError>>> {
        let mut waiting = self.lock_state();
        let left = waiting.membership_count + waiting.in_flight_count + waiting.deferred.len();
        if waiting.is_attached && left == 0 {
            return None;
        }
        let (told, confirmed) = oneshot::channel();
        if waiting.is_attached {
            waiting.push(O::from_barrier(told));
            drop(waiting);
            self.arrived.notify_one();
        }
        Some(confirmed)
    }

    /// Waits for something to do, and takes a batch of it.
    pub(crate) async fn next(&self) -> OperationBatch<'_, O> {
        loop {
            let arrived = self.arrived.notified();
            let batch = self.try_next_batch();
            if !batch.is_empty() {
                return batch;
            }
            arrived.await;
        }
    }

    /// Takes a batch of what is there.
    pub(crate) fn try_next_batch(&self) -> OperationBatch<'_, O> {
        let mut waiting = self.lock_state();
        let mut taken = VecDeque::new();
        let mut load = QueueLoad::default();
        while load.count < BATCH_LIMIT.count && load.bytes < BATCH_LIMIT.bytes {
            let Some((number, operation)) = waiting.pop() else { break };
            load = load.with_item(operation.payload_bytes());
            taken.push_back((number, operation));
        }
        drop(waiting);
        OperationBatch::new(self, taken)
    }

    /// Takes deferred memberships with numbers up to this one.
    fn take_deferred(&self, up_to: u64) -> OperationBatch<'_, O> {
        let mut waiting = self.lock_state();
        let mut taken = VecDeque::new();
        while taken.len() < BATCH_LIMIT.count
            && waiting.deferred.first_number().is_some_and(|at| at <= up_to)
        {
            taken.extend(waiting.deferred.pop_first());
        }
        waiting.in_flight_count += taken.len();
        drop(waiting);
        OperationBatch::new(self, taken)
    }

    /// A batch of nothing.
    pub(crate) fn empty_batch(&self) -> OperationBatch<'_, O> {
        OperationBatch::new(self, VecDeque::new())
    }

    /// Memberships that were taken are written, but for those at these places, which Redis refused.
    fn complete_memberships(&self, memberships: Vec<(u64, O)>, refused: &HashSet<usize>) {
        let mut too_many = Vec::new();
        let mut waiting = self.lock_state();
        waiting.in_flight_count -= memberships.len();
        for (at, (number, membership)) in memberships.into_iter().enumerate() {
            let Some(key) = membership.key() else { continue };
            if refused.contains(&at) {
                too_many.extend(waiting.refused.insert(number, key, membership).err());
            } else if waiting.refused.len() > 0 {
                waiting.refused.remove_before(number, &key);
            }
        }
        drop(waiting);
        drop(too_many);
    }

    /// Memberships that were refused are the next to be taken, in their places among the others.
    pub(crate) fn retry_refused(&self) {
        self.lock_state().retry_refused();
    }

    /// What was taken and not carried out is to be carried out next.
    fn requeue(&self, operations: VecDeque<(u64, O)>, under_way: Vec<(u64, O)>) {
        let mut others = Vec::new();
        let mut waiting = self.lock_state();
        for (number, membership) in under_way {
            waiting.in_flight_count -= 1;
            others.extend(waiting.defer(number, membership).err());
        }
        for (number, operation) in operations.into_iter().rev() {
            match operation.kind() {
                OperationKind::Membership => {
                    waiting.in_flight_count -= 1;
                    others.extend(waiting.defer(number, operation).err());
                }
                OperationKind::Message => {
                    waiting.load = waiting.load.with_item(operation.payload_bytes());
                    waiting.operations.push_front((number, operation));
                }
                OperationKind::Other => others.push(operation),
            }
        }
        drop(waiting);
        // Whoever waits is told by its end, which may wake a task.
        drop(others);
    }

    /// Drops the messages that have waited for this long, and returns their number.
    pub(crate) fn drop_expired(&self, expiry: Duration) -> u64 {
        let mut expired = Vec::new();
        let mut waiting = self.lock_state();
        while let Some((_, operation)) = waiting.operations.front()
            && operation.sent_at().is_some_and(|at| at.elapsed() >= expiry)
        {
            waiting.load.bytes -= operation.payload_bytes();
            waiting.load.count -= 1;
            expired.extend(waiting.operations.pop_front());
        }
        drop(waiting);
        expired.len() as u64
    }

    /// Redis is back: memberships are queued until the answer is dropped.
    pub(crate) fn attach(&self) -> AttachGuard<'_, O> {
        let mut waiting = self.lock_state();
        waiting.is_attached = true;
        let number = waiting.last_number;
        drop(waiting);
        AttachGuard::new(self, number)
    }

    /// Redis is away: only messages wait from now on, and memberships that no later connection writes anyway.
    fn detach(&self) {
        let mut others = Vec::new();
        let mut waiting = self.lock_state();
        waiting.is_attached = false;
        waiting.membership_count = 0;
        for (number, operation) in std::mem::take(&mut waiting.operations) {
            match operation.kind() {
                OperationKind::Message => waiting.operations.push_back((number, operation)),
                // Restored ones take the place of those before, and are forgotten below.
                OperationKind::Membership => others.extend(match operation.key() {
                    Some(key) => waiting.deferred.insert(number, key, operation).err(),
                    None => Some(operation),
                }),
                OperationKind::Other => others.push(operation),
            }
        }
        waiting.retry_refused();
        waiting.deferred.drop_restorable();
        waiting.load.count = waiting.operations.len();
        drop(waiting);
        // Whoever waits is told by its end, which may wake a task.
        drop(others);
    }

    fn lock_state(&self) -> MutexGuard<'_, QueueState<O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
