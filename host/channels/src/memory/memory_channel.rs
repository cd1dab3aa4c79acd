//! One channel: what waits in it, whether it is read, and which groups it is in.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::deadline_queue::{DeadlineKey, deadline_after};
use super::memory_group::MemoryGroup;
use super::sharded_set::HasName;
use super::tenant::MemoryTenant;
use super::{UNREAD_OVERHEAD_BYTES, lock};
use crate::mailbox::MailboxSource;
use crate::mailbox_queue::{MailboxQueue, QueueLimits};
use crate::{Delivery, LayerError, QueueLoad};
use narrowboat_core::name::ChannelName;

/// Things by their address, which is fixed while they are referred to and which nobody outside can choose, so the
/// hasher needs no random keys and no room for them.
pub(super) type PointerMap<V> = HashMap<usize, V, BuildHasherDefault<DefaultHasher>>;

pub(super) struct MemoryChannel {
    name: ChannelName,
    /// Weak, because the world holds its channels.
    tenant: Weak<MemoryTenant>,
    capacity: usize,
    state: Mutex<ChannelState>,
}

pub(super) struct ChannelState {
    queue: MailboxQueue,
    phase: ChannelPhase,
    /// The groups it is in, for when it ends. Weak, because they hold their members.
    pub(super) groups: PointerMap<Weak<MemoryGroup>>,
    /// Its entry among the unread channels.
    expiry_key: Option<DeadlineKey>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ChannelPhase {
    /// No mailbox is open.
    Unread,
    /// A mailbox is open.
    Read,
    /// Nobody finds it any more; who still holds it has to look again.
    Removed,
}

/// Why a channel did not take a delivery, or a reader.
pub(super) enum ChannelError {
    Layer(LayerError),
    /// The channel ended, and this is what it did not take.
    Removed(Option<Delivery>),
}

/// What unread deliveries count against the tenant's bound.
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

    fn drop_expired(&mut self, world: &MemoryTenant, now: Instant) {
        let forgotten = self.queue.drop_expired(now);
        if self.phase == ChannelPhase::Unread {
            world.unread_bytes.subtract(unread_cost(forgotten));
        }
    }

    fn cancel_expiry(&mut self, world: &MemoryTenant) {
        if let Some(due) = self.expiry_key.take() {
            world.unread_expiry.cancel(due);
        }
    }

    /// Ends an unread channel in which nothing waits and which is in no group.
    fn mark_removed_if_idle(&mut self, world: &MemoryTenant) -> bool {
        let idle =
            self.phase == ChannelPhase::Unread && self.queue.is_empty() && self.groups.is_empty();
        if idle {
            self.phase = ChannelPhase::Removed;
            self.cancel_expiry(world);
        }
        idle
    }
}

impl MemoryChannel {
    pub(super) fn new(name: ChannelName, world: &Arc<MemoryTenant>) -> Self {
        let state = ChannelState {
            queue: MailboxQueue::default(),
            phase: ChannelPhase::Unread,
            groups: HashMap::default(),
            expiry_key: None,
        };
        let capacity = world.limits.capacity_of(name.as_str());
        Self { name, tenant: Arc::downgrade(world), capacity, state: Mutex::new(state) }
    }

    pub(super) fn lock_state(&self) -> MutexGuard<'_, ChannelState> {
        lock(&self.state)
    }

    pub(super) fn channel_name(&self) -> &ChannelName {
        &self.name
    }

    /// Lets a reader in; what waits is no longer unread.
    pub(super) fn attach_reader(
        &self,
        world: &MemoryTenant,
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
        state.drop_expired(world, now);
        world.unread_bytes.subtract(unread_cost(state.queue.load()));
        state.cancel_expiry(world);
        state.phase = ChannelPhase::Read;
        Ok(())
    }

    /// Takes a delivery. The waker is to be woken once no lock is held.
    pub(super) fn try_push(
        self: &Arc<Self>,
        world: &MemoryTenant,
        now: Instant,
        delivery: Delivery,
    ) -> Result<Option<Waker>, ChannelError> {
        let mut state = self.lock_state();
        if state.is_removed() {
            return Err(ChannelError::Removed(Some(delivery)));
        }
        state.drop_expired(world, now);
        self.check_room(&state, world, QueueLoad::default(), delivery.len())
            .map_err(ChannelError::Layer)?;
        let deadline = deadline_after(now, world.limits.expiry);
        if state.phase == ChannelPhase::Unread {
            let load = QueueLoad { count: 1, bytes: delivery.len() };
            if !world.unread_bytes.try_add(unread_cost(load)) {
                return Err(ChannelError::Layer(self.unread_full_error(world)));
            }
            self.schedule_expiry(&mut state, world, deadline);
        }
        Ok(state.queue.push(deadline, delivery))
    }

    /// Whether a delivery of `len` bytes would be taken after what is pending.
    pub(super) fn check_send(
        &self,
        world: &MemoryTenant,
        now: Instant,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError> {
        let mut state = self.lock_state();
        state.drop_expired(world, now);
        self.check_room(&state, world, pending, len)?;
        let all = QueueLoad {
            count: pending.count.saturating_add(1),
            bytes: pending.bytes.saturating_add(len),
        };
        if state.phase == ChannelPhase::Unread && !world.unread_bytes.has_room_for(unread_cost(all))
        {
            return Err(self.unread_full_error(world));
        }
        Ok(())
    }

    fn check_room(
        &self,
        state: &ChannelState,
        world: &MemoryTenant,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError> {
        let bounds = QueueLimits { count: self.capacity, bytes: world.limits.mailbox_bytes };
        if state.queue.has_room(pending, len, bounds) {
            Ok(())
        } else {
            Err(LayerError::ChannelFull { channel: self.name.clone() })
        }
    }

    fn unread_full_error(&self, world: &MemoryTenant) -> LayerError {
        LayerError::UnreadFull { channel: self.name.clone(), limit: world.unread_bytes.limit() }
    }

    /// Has an unread channel looked at again when its oldest delivery expires.
    fn schedule_expiry(
        self: &Arc<Self>,
        state: &mut ChannelState,
        world: &MemoryTenant,
        deadline: Instant,
    ) {
        if state.expiry_key.is_none() {
            state.expiry_key = Some(world.unread_expiry.schedule(deadline, Arc::clone(self)));
        }
    }

    /// Forgets what expired in an unread channel.
    pub(super) fn expire_unread(self: &Arc<Self>, world: &MemoryTenant, now: Instant) {
        let mut state = self.lock_state();
        if state.phase != ChannelPhase::Unread {
            return;
        }
        state.drop_expired(world, now);
        state.cancel_expiry(world);
        if let Some(deadline) = state.queue.oldest_deadline() {
            self.schedule_expiry(&mut state, world, deadline);
        }
    }

    /// The reader of a named channel left; what waits is unread from now on.
    pub(super) fn detach_reader(self: &Arc<Self>, world: &MemoryTenant, now: Instant) {
        let mut state = self.lock_state();
        state.drop_expired(world, now);
        state.phase = ChannelPhase::Unread;
        world.unread_bytes.force_add(unread_cost(state.queue.load()));
        if let Some(deadline) = state.queue.oldest_deadline() {
            self.schedule_expiry(&mut state, world, deadline);
        }
        let waker = state.queue.replace_waker(None);
        drop(state);
        drop(waker);
    }

    pub(super) fn mark_removed_if_idle(&self, world: &MemoryTenant) -> bool {
        self.lock_state().mark_removed_if_idle(world)
    }

    /// Ends a channel whose reader left. The queue, which may hold a waker, is to be dropped without a lock; the groups
    /// are those it has to be taken out of.
    pub(super) fn mark_removed(&self) -> (MailboxQueue, PointerMap<Weak<MemoryGroup>>) {
        let mut state = self.lock_state();
        state.phase = ChannelPhase::Removed;
        (mem::take(&mut state.queue), mem::take(&mut state.groups))
    }

    /// Forgets what waits, and ends if that was all there was.
    pub(super) fn flush(&self, world: &MemoryTenant) -> bool {
        let mut state = self.lock_state();
        let cleared = state.queue.clear();
        if state.phase == ChannelPhase::Unread {
            world.unread_bytes.subtract(unread_cost(cleared));
        }
        state.cancel_expiry(world);
        state.mark_removed_if_idle(world)
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

    fn close(self: Arc<Self>) {
        if let Some(world) = self.tenant.upgrade() {
            world.close_channel(&self);
        }
    }
}
