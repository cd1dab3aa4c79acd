//! One channel: its queue, its reader and its groups.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::deadline_queue::{DeadlineKey, deadline_after};
use super::lock::lock;
use super::memory_group::MemoryGroup;
use super::memory_tenant::MemoryTenant;
use super::pointer_map::PointerMap;
use super::sharded_set::HasName;
use crate::mailbox_queue::{MailboxQueue, QueueLimits};
use crate::mailbox_source::MailboxSource;
use crate::{Delivery, DeliverySink, LayerError, QueueLoad, UNREAD_OVERHEAD_BYTES};
use narrowboat_core::deferred_wake;
use narrowboat_core::name::ChannelName;

/// One channel. It belongs to its tenant, whose limits and counters its methods take as a parameter, and it refers to
/// its groups as they refer to it: [`MemoryTenant`], this type and [`MemoryGroup`] own each other, so their files
/// import each other.
pub(super) struct MemoryChannel {
    name: ChannelName,
    /// Weak, because the tenant owns its channels.
    tenant: Weak<MemoryTenant>,
    capacity: usize,
    state: Mutex<ChannelState>,
}

/// The part of a channel that its lock guards.
pub(super) struct ChannelState {
    queue: MailboxQueue,
    phase: ChannelPhase,
    /// The groups that the channel leaves when it ends. Weak, because groups own their members.
    pub(super) groups: PointerMap<Weak<MemoryGroup>>,
    /// The channel's entry in the queue of unread channels.
    expiry_key: Option<DeadlineKey>,
}

/// The life of a channel.
///
/// ```text
///          attach_reader          mark_removed (unique name)
/// Unread ----------------> Read ---------------------------> Removed
///   |    <----------------                                      ^
///   |   detach_reader (named)                                   |
///   +-----------------------------------------------------------+
///                      mark_removed_if_idle
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
enum ChannelPhase {
    /// No mailbox is open.
    Unread,
    /// A mailbox is open.
    Read,
    /// The tenant no longer has the channel. A thread that still holds it looks the name up again.
    Removed,
}

/// Why a channel accepted no delivery or no reader.
pub(super) enum ChannelError {
    /// The layer's error for the caller.
    Layer(LayerError),
    /// The channel was removed. Contains the delivery that it did not accept.
    Removed(Option<Delivery>),
}

/// Returns the bytes that unread deliveries count against the tenant's limit.
fn unread_cost(load: QueueLoad) -> usize {
    load.bytes.saturating_add(load.count.saturating_mul(UNREAD_OVERHEAD_BYTES))
}

impl ChannelState {
    pub(super) fn is_removed(&self) -> bool {
        self.phase == ChannelPhase::Removed
    }

    pub(super) fn has_reader(&self) -> bool {
        self.phase == ChannelPhase::Read
    }

    fn drop_expired(&mut self, tenant: &MemoryTenant, now: Instant) {
        let expired = self.queue.drop_expired(now);
        if self.phase == ChannelPhase::Unread {
            tenant.unread_bytes.subtract(unread_cost(expired));
        }
    }

    fn cancel_expiry(&mut self, tenant: &MemoryTenant) {
        if let Some(key) = self.expiry_key.take() {
            tenant.unread_expiry.cancel(key);
        }
    }

    /// Marks the channel as removed if it has no reader, no delivery and no group. Returns whether it did.
    fn mark_removed_if_idle(&mut self, tenant: &MemoryTenant) -> bool {
        let idle =
            self.phase == ChannelPhase::Unread && self.queue.is_empty() && self.groups.is_empty();
        if idle {
            self.phase = ChannelPhase::Removed;
            self.cancel_expiry(tenant);
        }
        idle
    }
}

impl MemoryChannel {
    pub(super) fn new(name: ChannelName, tenant: &Arc<MemoryTenant>) -> Self {
        let state = ChannelState {
            queue: MailboxQueue::default(),
            phase: ChannelPhase::Unread,
            groups: HashMap::default(),
            expiry_key: None,
        };
        let capacity = tenant.limits.capacity_of(name.as_str());
        Self { name, tenant: Arc::downgrade(tenant), capacity, state: Mutex::new(state) }
    }

    pub(super) fn lock_state(&self) -> MutexGuard<'_, ChannelState> {
        lock(&self.state)
    }

    pub(super) fn channel_name(&self) -> &ChannelName {
        &self.name
    }

    /// Attaches a reader. The waiting deliveries no longer count as unread.
    ///
    /// # Errors
    /// [`LayerError::ChannelBusy`] if the channel has a reader.
    pub(super) fn attach_reader(
        &self,
        tenant: &MemoryTenant,
        now: Instant,
    ) -> Result<(), ChannelError> {
        let mut state = self.lock_state();
        match state.phase {
            ChannelPhase::Removed => return Err(ChannelError::Removed(None)),
            ChannelPhase::Read => {
                return Err(ChannelError::Layer(LayerError::ChannelBusy {
                    channel: self.name.clone(),
                }));
            }
            ChannelPhase::Unread => {}
        }
        state.drop_expired(tenant, now);
        tenant.unread_bytes.subtract(unread_cost(state.queue.load()));
        state.cancel_expiry(tenant);
        state.phase = ChannelPhase::Read;
        Ok(())
    }

    /// Adds a delivery. The caller wakes the returned waker when it holds no lock.
    ///
    /// # Errors
    /// [`LayerError::ChannelFull`] or [`LayerError::UnreadFull`].
    pub(super) fn try_push(
        self: &Arc<Self>,
        tenant: &MemoryTenant,
        now: Instant,
        delivery: Delivery,
    ) -> Result<Option<Waker>, ChannelError> {
        let mut state = self.lock_state();
        if state.is_removed() {
            return Err(ChannelError::Removed(Some(delivery)));
        }
        if state.has_reader() && state.queue.try_bypass(&delivery) {
            return Ok(None);
        }
        state.drop_expired(tenant, now);
        self.check_room(&state, tenant, QueueLoad::default(), delivery.len())
            .map_err(ChannelError::Layer)?;
        let deadline = deadline_after(now, tenant.limits.expiry);
        if state.phase == ChannelPhase::Unread {
            let load = QueueLoad { count: 1, bytes: delivery.len() };
            if !tenant.unread_bytes.try_add(unread_cost(load)) {
                return Err(ChannelError::Layer(self.unread_full_error(tenant)));
            }
            self.schedule_expiry(&mut state, tenant, deadline);
        }
        Ok(state.queue.push(deadline, delivery))
    }

    /// Checks whether the channel would accept a delivery of `len` bytes after the `pending` ones.
    ///
    /// # Errors
    /// Those of [`try_push`](Self::try_push).
    pub(super) fn check_send(
        &self,
        tenant: &MemoryTenant,
        now: Instant,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError> {
        let mut state = self.lock_state();
        state.drop_expired(tenant, now);
        self.check_room(&state, tenant, pending, len)?;
        let cost = unread_cost(pending.with_item(len));
        if state.phase == ChannelPhase::Unread && !tenant.unread_bytes.has_room_for(cost) {
            return Err(self.unread_full_error(tenant));
        }
        Ok(())
    }

    fn check_room(
        &self,
        state: &ChannelState,
        tenant: &MemoryTenant,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError> {
        let limits = QueueLimits { count: self.capacity, bytes: tenant.limits.mailbox_bytes };
        if state.queue.has_room(pending, len, limits) {
            Ok(())
        } else {
            Err(LayerError::ChannelFull { channel: self.name.clone() })
        }
    }

    fn unread_full_error(&self, tenant: &MemoryTenant) -> LayerError {
        LayerError::UnreadFull { channel: self.name.clone(), limit: tenant.unread_bytes.limit() }
    }

    /// Schedules the expiry of the oldest delivery of an unread channel, unless an expiry is scheduled.
    fn schedule_expiry(
        self: &Arc<Self>,
        state: &mut ChannelState,
        tenant: &MemoryTenant,
        deadline: Instant,
    ) {
        if state.expiry_key.is_none() {
            state.expiry_key = Some(tenant.unread_expiry.schedule(deadline, Arc::clone(self)));
        }
    }

    /// Drops the expired deliveries of an unread channel.
    pub(super) fn expire_unread(self: &Arc<Self>, tenant: &MemoryTenant, now: Instant) {
        let mut state = self.lock_state();
        if state.phase != ChannelPhase::Unread {
            return;
        }
        state.drop_expired(tenant, now);
        state.cancel_expiry(tenant);
        if let Some(deadline) = state.queue.oldest_deadline() {
            self.schedule_expiry(&mut state, tenant, deadline);
        }
    }

    /// Detaches the reader of a named channel. The waiting deliveries count as unread from now on.
    pub(super) fn detach_reader(self: &Arc<Self>, tenant: &MemoryTenant, now: Instant) {
        let mut state = self.lock_state();
        state.drop_expired(tenant, now);
        state.phase = ChannelPhase::Unread;
        tenant.unread_bytes.force_add(unread_cost(state.queue.load()));
        if let Some(deadline) = state.queue.oldest_deadline() {
            self.schedule_expiry(&mut state, tenant, deadline);
        }
        let reader = (state.queue.replace_waker(None), state.queue.take_delivery_sink());
        drop(state);
        drop(reader);
    }

    pub(super) fn mark_removed_if_idle(&self, tenant: &MemoryTenant) -> bool {
        self.lock_state().mark_removed_if_idle(tenant)
    }

    /// Marks a channel without a reader as removed. Returns the queue, which the caller drops without a lock since it
    /// may contain a waker, and the groups, which the caller removes the channel from.
    pub(super) fn mark_removed(&self) -> (MailboxQueue, PointerMap<Weak<MemoryGroup>>) {
        let mut state = self.lock_state();
        state.phase = ChannelPhase::Removed;
        (mem::take(&mut state.queue), mem::take(&mut state.groups))
    }

    /// Drops every delivery, and marks the channel as removed if it is idle. Returns whether it is.
    pub(super) fn flush(&self, tenant: &MemoryTenant) -> bool {
        let mut state = self.lock_state();
        let cleared = state.queue.clear();
        if state.phase == ChannelPhase::Unread {
            tenant.unread_bytes.subtract(unread_cost(cleared));
        }
        state.cancel_expiry(tenant);
        state.mark_removed_if_idle(tenant)
    }
}

impl HasName for MemoryChannel {
    fn name(&self) -> &str {
        self.name.as_str()
    }
}

impl MailboxSource for MemoryChannel {
    fn channel(&self) -> &ChannelName {
        &self.name
    }

    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Delivery> {
        let mut state = self.lock_state();
        if let Some(delivery) = state.queue.pop_now() {
            return Poll::Ready(delivery);
        }
        let waker = state.queue.replace_waker(Some(cx.waker()));
        drop(state);
        drop(waker);
        Poll::Pending
    }

    fn try_recv(&self) -> Option<Delivery> {
        self.lock_state().queue.pop_now()
    }

    fn set_delivery_sink(&self, sink: Arc<dyn DeliverySink>) {
        self.lock_state().queue.set_delivery_sink(sink);
    }

    fn take_for_deputy(&self) -> Option<Delivery> {
        self.lock_state().queue.pop_for_deputy()
    }

    fn hand_back(&self) {
        let waker = self.lock_state().queue.hand_back();
        waker.into_iter().for_each(deferred_wake::wake_or_defer);
    }

    fn close(self: Arc<Self>) {
        if let Some(tenant) = self.tenant.upgrade() {
            tenant.close_channel(&self);
        }
    }
}
