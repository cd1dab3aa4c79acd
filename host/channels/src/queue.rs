//! What waits in one channel.

use std::collections::VecDeque;
use std::task::Waker;

use tokio::time::Instant;

use super::{Delivery, Pending};

/// How many slots an empty queue keeps. A mailbox that takes a message now and then does not allocate each time, and
/// one that was flooded does not hold on to it.
const KEPT_SLOTS: usize = 4;

/// Deliveries in their order, each until its deadline, and who waits for the next. It allocates nothing before the
/// first delivery.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Slot>,
    bytes: usize,
    waker: Option<Waker>,
}

struct Slot {
    deadline: Instant,
    delivery: Delivery,
}

/// How much one queue takes.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

impl Queue {
    /// What waits.
    pub(super) fn load(&self) -> Pending {
        Pending { count: self.waiting.len(), bytes: self.bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When the oldest delivery expires.
    pub(super) fn oldest_deadline(&self) -> Option<Instant> {
        self.waiting.front().map(|slot| slot.deadline)
    }

    /// Whether there is room for a delivery of `len` bytes behind what waits and what is `pending`. One larger than
    /// the byte bound has room when nothing is before it.
    pub(super) fn has_room(&self, pending: Pending, len: usize, bounds: Bounds) -> bool {
        let count = self.waiting.len().saturating_add(pending.count);
        let bytes = self.bytes.saturating_add(pending.bytes).saturating_add(len);
        count < bounds.count && (count == 0 || bytes <= bounds.bytes)
    }

    /// Adds a delivery. The waker, if any, is for the caller to wake once it holds no lock.
    pub(super) fn push(&mut self, deadline: Instant, delivery: Delivery) -> Option<Waker> {
        self.bytes += delivery.len();
        self.waiting.push_back(Slot { deadline, delivery });
        self.waker.take()
    }

    /// Takes the oldest delivery that has not expired by now. The clock is read only where something waits.
    pub(super) fn pop_now(&mut self) -> Option<Delivery> {
        if self.is_empty() { None } else { self.pop(Instant::now()) }
    }

    /// Takes the oldest delivery that has not expired.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Delivery> {
        self.forget_expired(now);
        let delivery = self.pop_slot()?.delivery;
        self.shrink();
        Some(delivery)
    }

    /// Drops what expired and says how much it was. The oldest are in front, so only those are looked at.
    pub(super) fn forget_expired(&mut self, now: Instant) -> Pending {
        let before = self.load();
        while self.oldest_deadline().is_some_and(|deadline| deadline <= now) {
            self.pop_slot();
        }
        if before.count > 0 {
            self.shrink();
        }
        Pending { count: before.count - self.waiting.len(), bytes: before.bytes - self.bytes }
    }

    /// Drops everything and says how much it was.
    pub(super) fn clear(&mut self) -> Pending {
        let load = self.load();
        self.waiting = VecDeque::new();
        self.bytes = 0;
        load
    }

    /// Notes whom to wake, and gives back the one noted before, which is for the caller to drop without a lock: the
    /// last handle of a task can run any code.
    pub(super) fn wait(&mut self, waker: Option<&Waker>) -> Option<Waker> {
        if let (Some(old), Some(new)) = (&self.waker, waker)
            && old.will_wake(new)
        {
            return None;
        }
        std::mem::replace(&mut self.waker, waker.cloned())
    }

    fn pop_slot(&mut self) -> Option<Slot> {
        let slot = self.waiting.pop_front()?;
        self.bytes -= slot.delivery.len();
        Some(slot)
    }

    fn shrink(&mut self) {
        if self.waiting.is_empty() && self.waiting.capacity() > KEPT_SLOTS {
            self.waiting = VecDeque::new();
        }
    }
}
