//! What waits to leave for Redis.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::World;
use crate::layer::{Delivery, LayerError, Pending};
use crate::name::{ChannelName, GroupName, Tenant};

/// What waits at most: operations, and bytes of messages.
const MOST: Pending = Pending { count: 20_000, bytes: 32 << 20 };

/// What leaves in one batch at most.
const BATCH: Pending = Pending { count: 512, bytes: 1 << 20 };

/// One thing to be done, in the order it was asked for.
pub(super) enum Op {
    Membership(Membership),
    Put(Put),
    GroupSend(GroupSend),
    /// A turn to be taken: shard, key and how long it is, in milliseconds.
    Claim(usize, String, u64, oneshot::Sender<Result<bool, LayerError>>),
    /// A reader that waits is to wait no longer: shard and the number Redis gave its connection.
    Unblock(usize, i64),
    /// To be told once what was before is done.
    Confirm(oneshot::Sender<Result<(), LayerError>>),
}

/// A membership to begin or to end.
pub(super) struct Membership {
    pub(super) world: Arc<World>,
    pub(super) group: GroupName,
    pub(super) channel: ChannelName,
    pub(super) begins: bool,
}

/// A message for one key.
pub(super) struct Put {
    pub(super) shard: usize,
    pub(super) key: String,
    /// When it was sent.
    pub(super) at: f64,
    /// Where it stood in the key before, if it was taken out of it.
    pub(super) score: Option<f64>,
    pub(super) capacity: usize,
    pub(super) wire: Vec<u8>,
    /// How many channels it is for.
    pub(super) receivers: u64,
    /// Whoever waits to hear of it, and the channel to name.
    pub(super) reply: Option<(ChannelName, oneshot::Sender<Result<(), LayerError>>)>,
}

/// A message or frame for a group.
pub(super) struct GroupSend {
    pub(super) world: Arc<World>,
    pub(super) group: GroupName,
    pub(super) delivery: Delivery,
    /// When it was sent.
    pub(super) at: f64,
}

/// Operations that wait, bounded.
#[derive(Default)]
pub(super) struct OpQueue {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    ops: VecDeque<Op>,
    load: Pending,
    /// Memberships that are queued or under way.
    memberships: usize,
    /// Whether memberships are queued. While Redis is away they are not: those of open channels are known without.
    taking: bool,
    /// Memberships that ended meanwhile.
    overdue: HashSet<Overdue>,
    /// There was no room for a membership.
    missed: bool,
}

/// A membership that ended and still stands in Redis.
pub(super) type Overdue = (Tenant, GroupName, ChannelName);

/// Memberships that may be overdue. Beyond it they last until they expire.
const MOST_OVERDUE: usize = 1_000_000;

impl Waiting {
    fn has_room(&self, pending: Pending, len: usize) -> bool {
        let count = self.load.count.saturating_add(pending.count);
        let bytes = self.load.bytes.saturating_add(pending.bytes);
        count < MOST.count && (bytes == 0 || bytes.saturating_add(len) <= MOST.bytes)
    }

    fn push(&mut self, op: Op) {
        self.load = self.load.and(op.bytes());
        self.memberships += usize::from(op.is_membership());
        self.ops.push_back(op);
    }

    /// What begins is known to the channels here; what ends is to be noted.
    fn postpone(&mut self, Membership { world, group, channel, begins }: Membership) {
        self.missed = true;
        let key = (world.tenant.clone(), group, channel);
        if begins {
            self.overdue.remove(&key);
        } else if self.overdue.len() < MOST_OVERDUE {
            self.overdue.insert(key);
        }
    }
}

impl Op {
    fn bytes(&self) -> usize {
        match self {
            Self::Put(put) => put.wire.len(),
            Self::GroupSend(send) => send.delivery.len(),
            Self::Membership(_) | Self::Claim(..) | Self::Unblock(..) | Self::Confirm(_) => 0,
        }
    }

    fn is_membership(&self) -> bool {
        matches!(self, Self::Membership(_))
    }
}

impl OpQueue {
    /// Whether a message of `len` bytes has room after what is pending.
    pub(super) fn has_room(&self, pending: Pending, len: usize) -> bool {
        self.lock().has_room(pending, len)
    }

    /// How many operations wait.
    pub(super) fn len(&self) -> usize {
        self.lock().load.count
    }

    /// Adds an operation; gives it back where there is no room.
    pub(super) fn push(&self, op: Op) -> Result<(), Op> {
        let mut waiting = self.lock();
        if !waiting.has_room(Pending::default(), op.bytes()) {
            return Err(op);
        }
        waiting.push(op);
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Adds a membership, of a channel that is open here or was until now.
    pub(super) fn push_membership(&self, membership: Membership) {
        let mut waiting = self.lock();
        if waiting.taking && waiting.has_room(Pending::default(), 0) {
            waiting.push(Op::Membership(membership));
        } else {
            waiting.postpone(membership);
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Resolves once the memberships before are done; none where there are none.
    pub(super) fn confirm(&self) -> Option<oneshot::Receiver<Result<(), LayerError>>> {
        let mut waiting = self.lock();
        if waiting.taking && waiting.memberships == 0 {
            return None;
        }
        let (told, confirmed) = oneshot::channel();
        if waiting.taking {
            waiting.push(Op::Confirm(told));
        }
        Some(confirmed)
    }

    /// Waits for something to do, and takes a batch of it.
    pub(super) async fn next(&self) -> Vec<Op> {
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
    pub(super) fn try_next(&self) -> Vec<Op> {
        let mut waiting = self.lock();
        let mut batch = Vec::new();
        let mut load = Pending::default();
        while load.count < BATCH.count && load.bytes < BATCH.bytes {
            let Some(op) = waiting.ops.pop_front() else { break };
            load = load.and(op.bytes());
            batch.push(op);
        }
        waiting.load.count -= load.count;
        waiting.load.bytes -= load.bytes;
        batch
    }

    /// So many memberships are done.
    pub(super) fn done(&self, memberships: usize) {
        self.lock().memberships -= memberships;
    }

    /// Redis is away: memberships are not queued from now on, and whoever waits for one is told.
    pub(super) fn suspend(&self, under_way: impl Iterator<Item = Membership>) {
        let mut waiting = self.lock();
        let waiting = &mut *waiting;
        waiting.taking = false;
        waiting.memberships = 0;
        let (messages, others): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut waiting.ops)
            .into_iter()
            .partition(|op| matches!(op, Op::Put(_) | Op::GroupSend(_)));
        waiting.load.count = messages.len();
        waiting.ops = messages;
        let queued = others.into_iter().filter_map(|op| match op {
            Op::Membership(membership) => Some(membership),
            _ => None,
        });
        for membership in under_way.chain(queued) {
            waiting.postpone(membership);
        }
    }

    /// Redis is back: memberships are queued again. Gives those that ended meanwhile.
    pub(super) fn resume(&self) -> HashSet<Overdue> {
        let mut waiting = self.lock();
        waiting.taking = true;
        waiting.missed = false;
        std::mem::take(&mut waiting.overdue)
    }

    /// Whether there was no room for a membership since the last [`resume`](Self::resume).
    pub(super) fn has_missed(&self) -> bool {
        self.lock().missed
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
