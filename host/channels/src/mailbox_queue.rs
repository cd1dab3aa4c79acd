//! The queue of one channel.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use tokio::time::Instant;

use super::{Delivery, DeliverySink, QueueLoad};

/// The capacity that an empty queue keeps. A mailbox that gets a message now and then does not allocate each time, and
/// one that was full once does not keep the memory.
const RETAINED_CAPACITY: usize = 4;

/// Deliveries in order, each with its deadline, and the waker of the task that waits for the next one. Allocates
/// nothing before the first delivery.
#[derive(Default)]
pub(super) struct MailboxQueue {
    deliveries: VecDeque<QueuedDelivery>,
    bytes: usize,
    waker: Option<Waker>,
    delivery_sink: Option<Arc<dyn DeliverySink>>,
    /// Whether a deputy reads the queue in place of the reader.
    is_taken_over: bool,
}

struct QueuedDelivery {
    deadline: Instant,
    delivery: Delivery,
}

/// The limits of one queue.
#[derive(Clone, Copy)]
pub(super) struct QueueLimits {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

impl MailboxQueue {
    /// Returns the number and bytes of the deliveries.
    pub(super) fn load(&self) -> QueueLoad {
        QueueLoad { count: self.deliveries.len(), bytes: self.bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    /// Returns the time at which the oldest delivery expires.
    pub(super) fn oldest_deadline(&self) -> Option<Instant> {
        self.deliveries.front().map(|queued| queued.deadline)
    }

    /// Whether there is room for a delivery of `len` bytes after the queue and the `pending` deliveries. An empty queue
    /// has room for a delivery larger than the limit in bytes.
    pub(super) fn has_room(&self, pending: QueueLoad, len: usize, limits: QueueLimits) -> bool {
        let count = self.deliveries.len().saturating_add(pending.count);
        let bytes = self.bytes.saturating_add(pending.bytes).saturating_add(len);
        count < limits.count && (count == 0 || bytes <= limits.bytes)
    }

    /// Sets the shortcut past the queue.
    pub(super) fn set_delivery_sink(&mut self, sink: Arc<dyn DeliverySink>) {
        self.delivery_sink = Some(sink);
    }

    /// Removes the shortcut past the queue, because the reader has ended. The caller drops it without a lock, as a waker.
    pub(super) fn take_delivery_sink(&mut self) -> Option<Arc<dyn DeliverySink>> {
        self.is_taken_over = false;
        self.delivery_sink.take()
    }

    /// Gives a frame to the reader's [`DeliverySink`], if no delivery is before it, also not one that a deputy has taken
    /// and still handles, and if the sink takes it.
    pub(super) fn try_bypass(&self, delivery: &Delivery) -> bool {
        match (delivery, &self.delivery_sink) {
            (Delivery::Frame(frame), Some(sink)) if self.is_empty() && !self.is_taken_over => {
                sink.try_accept(frame)
            }
            _ => false,
        }
    }

    /// Adds a delivery. The caller wakes the returned waker when it holds no lock. There is none if the reader need not
    /// be woken, because a deputy reads in its place.
    pub(super) fn push(&mut self, deadline: Instant, delivery: Delivery) -> Option<Waker> {
        let may_take_over = self.is_empty() && matches!(delivery, Delivery::Message(_));
        self.bytes += delivery.len();
        self.deliveries.push_back(QueuedDelivery { deadline, delivery });
        if may_take_over && !self.is_taken_over {
            self.is_taken_over =
                self.delivery_sink.as_ref().is_some_and(|sink| sink.try_take_over());
        }
        if self.is_taken_over { None } else { self.waker.take() }
    }

    /// Takes the oldest delivery that has not expired by now, for the reader. There is none while a deputy reads. Reads
    /// the clock only if the queue is not empty.
    pub(super) fn pop_now(&mut self) -> Option<Delivery> {
        if self.is_taken_over { None } else { self.pop_any_now() }
    }

    /// Takes the oldest delivery that has not expired by now, for the deputy. If there is none, the reader reads again.
    pub(super) fn pop_for_deputy(&mut self) -> Option<Delivery> {
        let delivery = if self.is_taken_over { self.pop_any_now() } else { None };
        self.is_taken_over = delivery.is_some();
        delivery
    }

    /// Lets the reader read again. The caller wakes the returned waker when it holds no lock.
    pub(super) fn hand_back(&mut self) -> Option<Waker> {
        self.is_taken_over = false;
        if self.is_empty() { None } else { self.waker.take() }
    }

    fn pop_any_now(&mut self) -> Option<Delivery> {
        if self.is_empty() { None } else { self.pop(Instant::now()) }
    }

    /// Takes the oldest delivery that has not expired at `now`.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Delivery> {
        self.drop_expired(now);
        let delivery = self.pop_front()?.delivery;
        self.shrink();
        Some(delivery)
    }

    /// Drops the expired deliveries and returns their load. The oldest are in front, so the others are not examined.
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

    /// Drops every delivery and returns their load.
    pub(super) fn clear(&mut self) -> QueueLoad {
        let load = self.load();
        self.deliveries = VecDeque::new();
        self.bytes = 0;
        load
    }

    /// Replaces the waker and returns the previous one. The caller drops it without a lock: dropping the last handle of
    /// a task can run any code.
    pub(super) fn replace_waker(&mut self, waker: Option<&Waker>) -> Option<Waker> {
        if let (Some(old), Some(new)) = (&self.waker, waker)
            && old.will_wake(new)
        {
            return None;
        }
        std::mem::replace(&mut self.waker, waker.cloned())
    }

    fn pop_front(&mut self) -> Option<QueuedDelivery> {
        let queued = self.deliveries.pop_front()?;
        self.bytes -= queued.delivery.len();
        Some(queued)
    }

    fn shrink(&mut self) {
        if self.deliveries.is_empty() && self.deliveries.capacity() > RETAINED_CAPACITY {
            self.deliveries = VecDeque::new();
        }
    }
}
