//! What waits to leave for Redis.

mod batch;
mod deferred;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use self::deferred::Deferred;
use crate::{LayerError, Pending};

pub(crate) use batch::{Attached, Batch, Next, Unanswered};

/// What waits at most: operations, and bytes of messages.
const MOST: Pending = Pending { count: 20_000, bytes: 32 << 20 };

/// What leaves in one batch at most.
const BATCH: Pending = Pending { count: 512, bytes: 1 << 20 };

/// Tells that what was asked for before is done.
pub(crate) type Confirmation = oneshot::Sender<Result<(), LayerError>>;

/// One thing to be done.
pub(crate) trait Operation: Sized {
    /// What tells one membership from others.
    type Key: Eq + Hash;

    /// The key of a membership; none of anything else.
    fn key(&self) -> Option<Self::Key>;

    /// Whether it is a membership that is written anyway when Redis is reached anew, from what is known here.
    fn is_restored(&self) -> bool;

    /// The bytes of a message.
    fn bytes(&self) -> usize;

    /// When a message was sent; none of anything else.
    fn sent_at(&self) -> Option<Instant>;

    /// What it is to the queue.
    fn kind(&self) -> Kind;

    /// To be told of what was before.
    fn confirm(told: Confirmation) -> Self;

    /// To take a turn.
    fn claim(claim: Claim) -> Self;
}

/// A turn to be taken.
pub(crate) struct Claim {
    pub(crate) shard: usize,
    pub(crate) key: String,
    /// How long nobody else can take it, in milliseconds.
    pub(crate) held: u64,
    pub(crate) reply: oneshot::Sender<Result<bool, LayerError>>,
}

impl Claim {
    /// The command that takes it, if nobody has it.
    pub(crate) fn command(&self) -> redis::Cmd {
        let mut command = redis::cmd("SET");
        command.arg(&self.key).arg(1).arg("NX").arg("PX").arg(self.held);
        command
    }

    /// Tells what Redis answered to the command.
    pub(crate) fn tell(self, answer: &redis::Value) {
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
pub(crate) enum Kind {
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
pub(crate) struct Queue<O: Operation> {
    waiting: Mutex<Waiting<O>>,
    arrived: Notify,
}

struct Waiting<O: Operation> {
    operations: VecDeque<(u64, O)>,
    load: Pending,
    deferred: Deferred<O>,
    /// Those that Redis refused, until they are [tried again](Queue::retry).
    refused: Deferred<O>,
    /// The number of the next operation.
    number: u64,
    /// Memberships among the operations.
    memberships: usize,
    /// Memberships that were taken and are not written yet.
    under_way: usize,
    /// Whether memberships are queued: not while Redis is away.
    taking: bool,
}

impl<O: Operation> Default for Queue<O> {
    fn default() -> Self {
        let waiting = Waiting {
            operations: VecDeque::new(),
            load: Pending::default(),
            deferred: Deferred::default(),
            refused: Deferred::default(),
            number: 0,
            memberships: 0,
            under_way: 0,
            taking: false,
        };
        Self { waiting: Mutex::new(waiting), arrived: Notify::new() }
    }
}

impl<O: Operation> Waiting<O> {
    fn has_room(&self, pending: Pending, len: usize) -> bool {
        let count = self.load.count.saturating_add(pending.count);
        let bytes = self.load.bytes.saturating_add(pending.bytes);
        count < MOST.count && (bytes == 0 || bytes.saturating_add(len) <= MOST.bytes)
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn push(&mut self, operation: O) {
        let number = self.next_number();
        self.load = self.load.and(operation.bytes());
        self.memberships += usize::from(operation.kind() == Kind::Membership);
        self.operations.push_back((number, operation));
    }

    /// Keeps a membership that is not queued.
    fn defer(&mut self, number: u64, membership: O) -> Result<(), O> {
        match membership.key() {
            None => Err(membership),
            Some(key) if !self.taking && membership.is_restored() => {
                self.deferred.remove_before(number, &key);
                Ok(())
            }
            Some(key) => self.deferred.insert(number, key, membership),
        }
    }

    fn retry(&mut self) {
        while let Some((number, membership)) = self.refused.pop() {
            if let Some(key) = membership.key() {
                // Where there are too many it is forgotten, as one that comes late is.
                let _ = self.deferred.insert(number, key, membership);
            }
        }
    }

    /// Takes the operation that is the next by its number.
    fn pop(&mut self) -> Option<(u64, O)> {
        let queued = self.operations.front().map(|(number, _)| *number);
        if let Some(first) = self.deferred.first()
            && queued.is_none_or(|queued| first < queued)
        {
            self.under_way += 1;
            return self.deferred.pop();
        }
        let (number, operation) = self.operations.pop_front()?;
        self.load.count -= 1;
        self.load.bytes -= operation.bytes();
        let membership = usize::from(operation.kind() == Kind::Membership);
        self.memberships -= membership;
        self.under_way += membership;
        Some((number, operation))
    }
}

impl<O: Operation> Queue<O> {
    /// Whether a message of `len` bytes has room after what is pending.
    pub(crate) fn has_room(&self, pending: Pending, len: usize) -> bool {
        self.lock().has_room(pending, len)
    }

    /// How many operations wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().load.count
    }

    /// Adds an operation.
    ///
    /// # Errors
    /// Gives it back where there is no room. A membership is deferred then, and refused where too many are.
    pub(crate) fn push(&self, operation: O) -> Result<(), O> {
        let mut waiting = self.lock();
        let is_membership = operation.kind() == Kind::Membership;
        let has_room = waiting.has_room(Pending::default(), operation.bytes());
        if is_membership && (!has_room || !waiting.taking) {
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
    pub(crate) fn push_back(&self, operation: O) {
        self.lock().push(operation);
        self.arrived.notify_one();
    }

    /// Resolves once the memberships before are done; none where there are none.
    pub(crate) fn confirm(&self) -> Option<oneshot::Receiver<Result<(), LayerError>>> {
        let mut waiting = self.lock();
        let left = waiting.memberships + waiting.under_way + waiting.deferred.len();
        if waiting.taking && left == 0 {
            return None;
        }
        let (told, confirmed) = oneshot::channel();
        if waiting.taking {
            waiting.push(O::confirm(told));
            drop(waiting);
            self.arrived.notify_one();
        }
        Some(confirmed)
    }

    /// Waits for something to do, and takes a batch of it.
    pub(crate) async fn next(&self) -> Batch<'_, O> {
        loop {
            let arrived = self.arrived.notified();
            let batch = self.try_next();
            if !batch.is_empty() {
                return batch;
            }
            arrived.await;
        }
    }

    /// Takes a batch of what is there.
    pub(crate) fn try_next(&self) -> Batch<'_, O> {
        let mut waiting = self.lock();
        let mut taken = VecDeque::new();
        let mut load = Pending::default();
        while load.count < BATCH.count && load.bytes < BATCH.bytes {
            let Some((number, operation)) = waiting.pop() else { break };
            load = load.and(operation.bytes());
            taken.push_back((number, operation));
        }
        drop(waiting);
        Batch::new(self, taken)
    }

    /// Takes deferred memberships with numbers up to this one.
    fn take_deferred(&self, up_to: u64) -> Batch<'_, O> {
        let mut waiting = self.lock();
        let mut taken = VecDeque::new();
        while taken.len() < BATCH.count && waiting.deferred.first().is_some_and(|at| at <= up_to) {
            taken.extend(waiting.deferred.pop());
        }
        waiting.under_way += taken.len();
        drop(waiting);
        Batch::new(self, taken)
    }

    /// A batch of nothing.
    pub(crate) fn nothing(&self) -> Batch<'_, O> {
        Batch::new(self, VecDeque::new())
    }

    /// Memberships that were taken are written, but for those at these places, which Redis refused.
    fn done(&self, memberships: Vec<(u64, O)>, refused: &HashSet<usize>) {
        let mut too_many = Vec::new();
        let mut waiting = self.lock();
        waiting.under_way -= memberships.len();
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
    pub(crate) fn retry(&self) {
        self.lock().retry();
    }

    /// What was taken and not carried out is to be carried out next.
    fn put_back(&self, operations: VecDeque<(u64, O)>, under_way: Vec<(u64, O)>) {
        let mut others = Vec::new();
        let mut waiting = self.lock();
        for (number, membership) in under_way {
            waiting.under_way -= 1;
            others.extend(waiting.defer(number, membership).err());
        }
        for (number, operation) in operations.into_iter().rev() {
            match operation.kind() {
                Kind::Membership => {
                    waiting.under_way -= 1;
                    others.extend(waiting.defer(number, operation).err());
                }
                Kind::Message => {
                    waiting.load = waiting.load.and(operation.bytes());
                    waiting.operations.push_front((number, operation));
                }
                Kind::Other => others.push(operation),
            }
        }
        drop(waiting);
        // Whoever waits is told by its end, which may wake a task.
        drop(others);
    }

    /// Drops the messages that have waited for this long, and returns their number.
    pub(crate) fn drop_expired(&self, expiry: Duration) -> u64 {
        let mut expired = Vec::new();
        let mut waiting = self.lock();
        while let Some((_, operation)) = waiting.operations.front()
            && operation.sent_at().is_some_and(|at| at.elapsed() >= expiry)
        {
            waiting.load.bytes -= operation.bytes();
            waiting.load.count -= 1;
            expired.extend(waiting.operations.pop_front());
        }
        drop(waiting);
        expired.len() as u64
    }

    /// Redis is back: memberships are queued until the answer is dropped.
    pub(crate) fn attach(&self) -> Attached<'_, O> {
        let mut waiting = self.lock();
        waiting.taking = true;
        let number = waiting.number;
        drop(waiting);
        Attached::new(self, number)
    }

    /// Redis is away: only messages wait from now on, and memberships that no later connection writes anyway.
    fn suspend(&self) {
        let mut others = Vec::new();
        let mut waiting = self.lock();
        waiting.taking = false;
        waiting.memberships = 0;
        for (number, operation) in std::mem::take(&mut waiting.operations) {
            match operation.kind() {
                Kind::Message => waiting.operations.push_back((number, operation)),
                // Restored ones take the place of those before, and are forgotten below.
                Kind::Membership => others.extend(match operation.key() {
                    Some(key) => waiting.deferred.insert(number, key, operation).err(),
                    None => Some(operation),
                }),
                Kind::Other => others.push(operation),
            }
        }
        waiting.retry();
        waiting.deferred.forget_restored();
        waiting.load.count = waiting.operations.len();
        drop(waiting);
        // Whoever waits is told by its end, which may wake a task.
        drop(others);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<O>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
