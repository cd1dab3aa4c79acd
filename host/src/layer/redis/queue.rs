//! What waits to leave for Redis.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use crate::layer::{LayerError, Pending};

/// What waits at most: operations, and bytes of messages.
const MOST: Pending = Pending { count: 20_000, bytes: 32 << 20 };

/// What leaves in one batch at most.
const BATCH: Pending = Pending { count: 512, bytes: 1 << 20 };

/// Tells that what was asked for before is done.
pub(in crate::layer) type Confirmation = oneshot::Sender<Result<(), LayerError>>;

/// One thing to be done.
pub(in crate::layer) trait Operation {
    /// The bytes of a message.
    fn bytes(&self) -> usize;

    /// What it is to the queue.
    fn kind(&self) -> Kind;

    /// To be told of what was before.
    fn confirm(told: Confirmation) -> Self;

    /// To take a turn.
    fn claim(claim: Claim) -> Self;
}

/// A turn to be taken.
pub(in crate::layer) struct Claim {
    pub(in crate::layer) shard: usize,
    pub(in crate::layer) key: String,
    /// How long nobody else can take it, in milliseconds.
    pub(in crate::layer) held: u64,
    pub(in crate::layer) reply: oneshot::Sender<Result<bool, LayerError>>,
}

impl Claim {
    /// The command that takes it, if nobody has it.
    pub(in crate::layer) fn command(&self) -> redis::Cmd {
        let mut command = redis::cmd("SET");
        command.arg(&self.key).arg(1).arg("NX").arg("PX").arg(self.held);
        command
    }

    /// Tells what Redis answered to the command.
    pub(in crate::layer) fn tell(self, answer: &redis::Value) {
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
pub(in crate::layer) enum Kind {
    /// It waits for a server that is away.
    Message,
    /// It begins or ends a membership, which is known without it.
    Membership,
    Other,
}

/// Operations that wait in their order, bounded.
pub(in crate::layer) struct Queue<O> {
    waiting: Mutex<Waiting<O>>,
    arrived: Notify,
}

struct Waiting<O> {
    operations: VecDeque<O>,
    load: Pending,
    /// Memberships that are queued or under way.
    memberships: usize,
    /// Whether memberships are queued: not while Redis is away.
    taking: bool,
}

impl<O: Operation> Default for Queue<O> {
    fn default() -> Self {
        let waiting = Waiting {
            operations: VecDeque::new(),
            load: Pending::default(),
            memberships: 0,
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

    fn push(&mut self, operation: O) {
        self.load = self.load.and(operation.bytes());
        self.memberships += usize::from(operation.kind() == Kind::Membership);
        self.operations.push_back(operation);
    }
}

impl<O: Operation> Queue<O> {
    /// Whether a message of `len` bytes has room after what is pending.
    pub(in crate::layer) fn has_room(&self, pending: Pending, len: usize) -> bool {
        self.lock().has_room(pending, len)
    }

    /// How many operations wait.
    pub(in crate::layer) fn len(&self) -> usize {
        self.lock().load.count
    }

    /// Adds an operation. Gives it back where there is no room, or for a membership while Redis is away.
    pub(in crate::layer) fn push(&self, operation: O) -> Result<(), O> {
        let mut waiting = self.lock();
        let away = operation.kind() == Kind::Membership && !waiting.taking;
        if away || !waiting.has_room(Pending::default(), operation.bytes()) {
            return Err(operation);
        }
        waiting.push(operation);
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Resolves once the memberships before are done; none where there are none.
    pub(in crate::layer) fn confirm(&self) -> Option<oneshot::Receiver<Result<(), LayerError>>> {
        let mut waiting = self.lock();
        if waiting.taking && waiting.memberships == 0 {
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
    pub(in crate::layer) async fn next(&self) -> Vec<O> {
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
    pub(in crate::layer) fn try_next(&self) -> Vec<O> {
        let mut waiting = self.lock();
        let mut batch = Vec::new();
        let mut load = Pending::default();
        while load.count < BATCH.count && load.bytes < BATCH.bytes {
            let Some(operation) = waiting.operations.pop_front() else { break };
            load = load.and(operation.bytes());
            batch.push(operation);
        }
        waiting.load.count -= load.count;
        waiting.load.bytes -= load.bytes;
        batch
    }

    /// So many memberships are done.
    pub(in crate::layer) fn done(&self, memberships: usize) {
        let mut waiting = self.lock();
        waiting.memberships = waiting.memberships.saturating_sub(memberships);
    }

    /// Redis is away: only messages wait from now on. Gives what else waited.
    pub(in crate::layer) fn suspend(&self) -> VecDeque<O> {
        let mut waiting = self.lock();
        waiting.taking = false;
        waiting.memberships = 0;
        let (messages, others) = std::mem::take(&mut waiting.operations)
            .into_iter()
            .partition::<VecDeque<_>, _>(|operation| operation.kind() == Kind::Message);
        waiting.load.count = messages.len();
        waiting.operations = messages;
        others
    }

    /// Redis is back: memberships are queued again.
    pub(in crate::layer) fn resume(&self) {
        self.lock().taking = true;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<O>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
