//! What waits in one channel.

use std::collections::VecDeque;
use std::task::Waker;

use tokio::time::Instant;

use super::{Delivery, QueueLoad};

/// How many slots an empty queue keeps. A mailbox that takes a message now and then does not allocate each time, and
/// one that was flooded does not hold on to it.
const RETAINED_CAPACITY: usize = 4;

/// Deliveries in their order, each until its deadline, and who waits for the next. It allocates nothing before the
/// first delivery.
#[derive(Default)]
pub(super) struct MailboxQueue {
    deliveries: VecDeque<QueuedDelivery>,
    bytes: usize,
    waker: Option<Waker>,
}

struct QueuedDelivery {
    deadline: Instant,
    delivery: Delivery,
}

/// How much one queue takes.
#[derive(Clone, Copy)]
pub(super) struct QueueLimits {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

impl MailboxQueue {
    /// What waits.
    pub(super) fn load(&self) -> QueueLoad {
        QueueLoad { count: self.deliveries.len(), bytes: self.bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    /// When the oldest delivery expires.
    pub(super) fn oldest_deadline(&self) -> Option<Instant> {
        self.deliveries.front().map(|slot| slot.deadline)
    }

    /// Whether there is room for a delivery of `len` bytes behind what waits and what is `pending`. One larger than
    /// the byte bound has room when nothing is before it.
    pub(super) fn has_room(&self, pending: QueueLoad, len: usize, bounds: QueueLimits) -> bool {
        let count = self.deliveries.len().saturating_add(pending.count);
        let bytes = self.bytes.saturating_add(pending.bytes).saturating_add(len);
        count < bounds.count && (count == 0 || bytes <= bounds.bytes)
    }

    /// Adds a delivery. The waker, if any, is for the caller to wake once it holds no lock.
    pub(super) fn push(&mut self, deadline: Instant, delivery: Delivery) -> Option<Waker> {
        self.bytes += delivery.len();
        self.deliveries.push_back(QueuedDelivery { deadline, delivery });
        self.waker.take()
    }

    /// Takes the oldest delivery that has not expired by now. The clock is read only where something waits.
    pub(super) fn pop_now(&mut self) -> Option<Delivery> {
        if self.is_empty() { None } else { self.pop(Instant::now()) }
    }

    /// Takes the oldest delivery that has not expired.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Delivery> {
        self.drop_expired(now);
        let delivery = self.pop_front()?.delivery;
        self.shrink();
        Some(delivery)
    }

    /// Drops what expired and says how much it was. The oldest are in front, so only those are looked at.
    pub(super) fn drop_expired(&mut self, now: Instant) -> QueueLoad {
        let before = self.load();
        while self.oldest_deadline().is_some_and(|deadline| deadline <= now) {
            self.pop_front();
        }
        if before.count > 0 {
            self.shrink();
        }
        QueueLoad { count: before.count - self.deliveries.len(), bytes: before.bytes - self.bytes }
    }

    /// Drops everything and says how much it was.
    pub(super) fn clear(&mut self) -> QueueLoad {
        let load = self.load();
        self.deliveries = VecDeque::new();
        self.bytes = 0;
        load
    }

    /// Notes whom to wake, and gives back the one noted before, which is for the caller to drop without a lock: the
    /// last handle of a task can run any code.
    pub(super) fn replace_waker(&mut self, waker: Option<&Waker>) -> Option<Waker> {
        if let (Some(old), Some(new)) = (&self.waker, waker)
            && old.will_wake(new)
        {
            return None;
        }
        std::mem::replace(&mut self.waker, waker.cloned())
    }

    fn pop_front(&mut self) -> Option<QueuedDelivery> {
        let slot = self.deliveries.pop_front()?;
        self.bytes -= slot.delivery.len();
        Some(slot)
    }

    fn shrink(&mut self) {
        if self.deliveries.is_empty() && self.deliveries.capacity() > RETAINED_CAPACITY {
            self.deliveries = VecDeque::new();
        }
    }
}
