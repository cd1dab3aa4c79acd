//! The queue of one channel.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use tokio::time::Instant;

use super::{Delivery, FrameSink, QueueLoad};

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
    frame_sink: Option<Arc<dyn FrameSink>>,
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

    /// Sets the shortcut for frames.
    pub(super) fn set_frame_sink(&mut self, sink: Arc<dyn FrameSink>) {
        self.frame_sink = Some(sink);
    }

    /// Removes the shortcut for frames. The caller drops it without a lock, as a waker.
    pub(super) fn take_frame_sink(&mut self) -> Option<Arc<dyn FrameSink>> {
        self.frame_sink.take()
    }

    /// Gives a frame to the reader's [`FrameSink`], if no delivery is before it and the sink takes it.
    pub(super) fn try_bypass(&self, delivery: &Delivery) -> bool {
        match (delivery, &self.frame_sink) {
            (Delivery::Frame(frame), Some(sink)) if self.is_empty() => sink.try_accept(frame),
            _ => false,
        }
    }

    /// Adds a delivery. The caller wakes the returned waker when it holds no lock.
    pub(super) fn push(&mut self, deadline: Instant, delivery: Delivery) -> Option<Waker> {
        self.bytes += delivery.len();
        self.deliveries.push_back(QueuedDelivery { deadline, delivery });
        self.waker.take()
    }

    /// Takes the oldest delivery that has not expired by now. Reads the clock only if the queue is not empty.
    pub(super) fn pop_now(&mut self) -> Option<Delivery> {
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
