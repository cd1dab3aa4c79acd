//! One open channel of this process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::mailbox_queue::{MailboxQueue, QueueLimits};
use super::mailbox_source::MailboxSource;
use super::{Delivery, DeliverySink, QueueLoad};
use narrowboat_core::deferred_wake;
use narrowboat_core::name::ChannelName;

/// The table that a channel is removed from when its mailbox is dropped.
pub(super) trait ChannelOwner: Send + Sync {
    /// Removes a channel whose mailbox was dropped.
    fn close_channel(&self, channel: &Arc<ProcessChannel>);
}

/// Deliveries that a mailbox had not read, each with its remaining lifetime.
pub(super) type UnreadDeliveries = Vec<(Duration, Delivery)>;

/// One open channel of this process, from which its mailbox reads.
pub(super) struct ProcessChannel {
    name: ChannelName,
    limits: QueueLimits,
    owner: Weak<dyn ChannelOwner>,
    queue: Mutex<MailboxQueue>,
    /// Whether the mailbox was dropped and its deliveries were taken out. Changed only under the queue's lock.
    is_closed: AtomicBool,
    /// Notified when the queue becomes empty, for a reader that fetches one message at a time.
    drained_notify: Option<Arc<Notify>>,
}

impl ProcessChannel {
    pub(super) fn new(
        name: ChannelName,
        limits: QueueLimits,
        owner: Weak<dyn ChannelOwner>,
        drained_notify: Option<Arc<Notify>>,
    ) -> Self {
        Self {
            name,
            limits,
            owner,
            queue: Mutex::default(),
            is_closed: AtomicBool::new(false),
            drained_notify,
        }
    }

    pub(super) fn name(&self) -> &ChannelName {
        &self.name
    }

    /// Adds a delivery and returns whether there was room.
    pub(super) fn try_push(&self, now: Instant, lifetime: Duration, delivery: Delivery) -> bool {
        let mut queue = self.lock();
        if self.is_closed() {
            return false;
        }
        if queue.try_bypass(&delivery) {
            return true;
        }
        queue.drop_expired(now);
        if !queue.has_room(QueueLoad::default(), delivery.len(), self.limits) {
            return false;
        }
        let deadline = now.checked_add(lifetime).unwrap_or(now);
        let waker = queue.push(deadline, delivery);
        drop(queue);
        waker.into_iter().for_each(deferred_wake::wake_or_defer);
        true
    }

    /// Whether there is room for a delivery of `len` bytes after the `pending` ones.
    pub(super) fn has_room(&self, pending: QueueLoad, len: usize) -> bool {
        let mut queue = self.lock();
        queue.drop_expired(Instant::now());
        queue.has_room(pending, len, self.limits)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Whether the channel is open and its queue is empty.
    pub(super) fn is_drained(&self) -> bool {
        let queue = self.lock();
        queue.is_empty() && !self.is_closed()
    }

    /// Drops every delivery.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// Closes the channel and takes its unread deliveries.
    pub(super) fn close_and_take_unread(&self) -> UnreadDeliveries {
        let mut unread = UnreadDeliveries::new();
        let mut queue = self.lock();
        let now = Instant::now();
        self.is_closed.store(true, Ordering::Relaxed);
        queue.drop_expired(now);
        while let Some(deadline) = queue.oldest_deadline() {
            let Some(delivery) = queue.pop(now) else { break };
            unread.push((deadline.saturating_duration_since(now), delivery));
        }
        let reader = (queue.replace_waker(None), queue.take_delivery_sink());
        drop(queue);
        drop(reader);
        unread
    }

    fn lock(&self) -> MutexGuard<'_, MailboxQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify_if_drained(&self) {
        if let Some(drained) = &self.drained_notify
            && self.is_drained()
        {
            drained.notify_one();
        }
    }
}

impl MailboxSource for ProcessChannel {
    fn channel(&self) -> &ChannelName {
        &self.name
    }

    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Delivery> {
        let mut queue = self.lock();
        if let Some(delivery) = queue.pop_now() {
            drop(queue);
            self.notify_if_drained();
            return Poll::Ready(delivery);
        }
        let waker = queue.replace_waker(Some(cx.waker()));
        drop(queue);
        drop(waker);
        Poll::Pending
    }

    fn try_recv(&self) -> Option<Delivery> {
        let delivery = self.lock().pop_now()?;
        self.notify_if_drained();
        Some(delivery)
    }

    fn set_delivery_sink(&self, sink: Arc<dyn DeliverySink>) {
        self.lock().set_delivery_sink(sink);
    }

    fn take_for_deputy(&self) -> Option<Delivery> {
        let delivery = self.lock().pop_for_deputy()?;
        self.notify_if_drained();
        Some(delivery)
    }

    fn hand_back(&self) {
        let waker = self.lock().hand_back();
        waker.into_iter().for_each(deferred_wake::wake_or_defer);
    }

    fn close(self: Arc<Self>) {
        if let Some(owner) = self.owner.upgrade() {
            owner.close_channel(&self);
        }
    }
}
