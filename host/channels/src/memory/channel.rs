//! One channel: what waits in it, whether it is read, and which groups it is in.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::deadlines::{Due, after};
use super::group::Group;
use super::shards::Named;
use super::world::World;
use super::{UNREAD_OVERHEAD, lock};
use crate::mailbox::Source;
use crate::queue::{Bounds, Queue};
use crate::{Delivery, LayerError, Pending};
use narrowboat_core::name::ChannelName;

/// Things by their address, which is fixed while they are referred to and which nobody outside can choose, so the
/// hasher needs no random keys and no room for them.
pub(super) type ByAddress<V> = HashMap<usize, V, BuildHasherDefault<DefaultHasher>>;

pub(super) struct Channel {
    name: ChannelName,
    /// Weak, because the world holds its channels.
    world: Weak<World>,
    capacity: usize,
    state: Mutex<State>,
}

pub(super) struct State {
    queue: Queue,
    life: Life,
    /// The groups it is in, for when it ends. Weak, because they hold their members.
    pub(super) groups: ByAddress<Weak<Group>>,
    /// Its entry among the unread channels.
    due: Option<Due>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    /// No mailbox is open.
    Unread,
    /// A mailbox is open.
    Read,
    /// Nobody finds it any more; who still holds it has to look again.
    Ended,
}

/// Why a channel did not take a delivery, or a reader.
pub(super) enum Refusal {
    Error(LayerError),
    /// The channel ended, and this is what it did not take.
    Ended(Option<Delivery>),
}

/// What unread deliveries count against the tenant's bound.
fn cost(load: Pending) -> usize {
    load.bytes.saturating_add(load.count.saturating_mul(UNREAD_OVERHEAD))
}

impl State {
    pub(super) fn has_ended(&self) -> bool {
        self.life == Life::Ended
    }

    pub(super) fn is_read(&self) -> bool {
        self.life == Life::Read
    }

    fn forget_expired(&mut self, world: &World, now: Instant) {
        let forgotten = self.queue.forget_expired(now);
        if self.life == Life::Unread {
            world.unread_bytes.give_back(cost(forgotten));
        }
    }

    fn cancel_due(&mut self, world: &World) {
        if let Some(due) = self.due.take() {
            world.unread.cancel(due);
        }
    }

    /// Ends an unread channel in which nothing waits and which is in no group.
    fn end_if_idle(&mut self, world: &World) -> bool {
        let idle = self.life == Life::Unread && self.queue.is_empty() && self.groups.is_empty();
        if idle {
            self.life = Life::Ended;
            self.cancel_due(world);
        }
        idle
    }
}

impl Channel {
    pub(super) fn new(name: ChannelName, world: &Arc<World>) -> Self {
        let state = State {
            queue: Queue::default(),
            life: Life::Unread,
            groups: HashMap::default(),
            due: None,
        };
        let capacity = world.limits.capacity_of(name.as_str());
        Self { name, world: Arc::downgrade(world), capacity, state: Mutex::new(state) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn channel_name(&self) -> &ChannelName {
        &self.name
    }

    /// Lets a reader in; what waits is no longer unread.
    pub(super) fn attach(&self, world: &World, now: Instant) -> Result<(), Refusal> {
        let mut state = self.state();
        match state.life {
            Life::Ended => return Err(Refusal::Ended(None)),
            Life::Read => {
                return Err(Refusal::Error(LayerError::ChannelBusy { channel: self.name.clone() }));
            }
            Life::Unread => {}
        }
        state.forget_expired(world, now);
        world.unread_bytes.give_back(cost(state.queue.load()));
        state.cancel_due(world);
        state.life = Life::Read;
        Ok(())
    }

    /// Takes a delivery. The waker is to be woken once no lock is held.
    pub(super) fn offer(
        self: &Arc<Self>,
        world: &World,
        now: Instant,
        delivery: Delivery,
    ) -> Result<Option<Waker>, Refusal> {
        let mut state = self.state();
        if state.has_ended() {
            return Err(Refusal::Ended(Some(delivery)));
        }
        state.forget_expired(world, now);
        self.check_room(&state, world, Pending::default(), delivery.len())
            .map_err(Refusal::Error)?;
        let deadline = after(now, world.limits.expiry);
        if state.life == Life::Unread {
            let load = Pending { count: 1, bytes: delivery.len() };
            if !world.unread_bytes.take(cost(load)) {
                return Err(Refusal::Error(self.unread_full(world)));
            }
            self.schedule(&mut state, world, deadline);
        }
        Ok(state.queue.push(deadline, delivery))
    }

    /// Whether a delivery of `len` bytes would be taken after what is pending.
    pub(super) fn probe(
        &self,
        world: &World,
        now: Instant,
        pending: Pending,
        len: usize,
    ) -> Result<(), LayerError> {
        let mut state = self.state();
        state.forget_expired(world, now);
        self.check_room(&state, world, pending, len)?;
        let all = Pending {
            count: pending.count.saturating_add(1),
            bytes: pending.bytes.saturating_add(len),
        };
        if state.life == Life::Unread && !world.unread_bytes.has(cost(all)) {
            return Err(self.unread_full(world));
        }
        Ok(())
    }

    fn check_room(
        &self,
        state: &State,
        world: &World,
        pending: Pending,
        len: usize,
    ) -> Result<(), LayerError> {
        let bounds = Bounds { count: self.capacity, bytes: world.limits.mailbox_bytes };
        if state.queue.has_room(pending, len, bounds) {
            Ok(())
        } else {
            Err(LayerError::ChannelFull { channel: self.name.clone() })
        }
    }

    fn unread_full(&self, world: &World) -> LayerError {
        LayerError::UnreadFull { channel: self.name.clone(), limit: world.unread_bytes.limit() }
    }

    /// Has an unread channel looked at again when its oldest delivery expires.
    fn schedule(self: &Arc<Self>, state: &mut State, world: &World, deadline: Instant) {
        if state.due.is_none() {
            state.due = Some(world.unread.schedule(deadline, Arc::clone(self)));
        }
    }

    /// Forgets what expired in an unread channel.
    pub(super) fn expire(self: &Arc<Self>, world: &World, now: Instant) {
        let mut state = self.state();
        if state.life != Life::Unread {
            return;
        }
        state.forget_expired(world, now);
        state.cancel_due(world);
        if let Some(deadline) = state.queue.oldest_deadline() {
            self.schedule(&mut state, world, deadline);
        }
    }

    /// The reader of a named channel left; what waits is unread from now on.
    pub(super) fn detach(self: &Arc<Self>, world: &World, now: Instant) {
        let mut state = self.state();
        state.forget_expired(world, now);
        state.life = Life::Unread;
        world.unread_bytes.take_anyway(cost(state.queue.load()));
        if let Some(deadline) = state.queue.oldest_deadline() {
            self.schedule(&mut state, world, deadline);
        }
        let waker = state.queue.wait(None);
        drop(state);
        drop(waker);
    }

    pub(super) fn end_if_idle(&self, world: &World) -> bool {
        self.state().end_if_idle(world)
    }

    /// Ends a channel whose reader left. The queue, which may hold a waker, is to be dropped without a lock; the groups
    /// are those it has to be taken out of.
    pub(super) fn end(&self) -> (Queue, ByAddress<Weak<Group>>) {
        let mut state = self.state();
        state.life = Life::Ended;
        (mem::take(&mut state.queue), mem::take(&mut state.groups))
    }

    /// Forgets what waits, and ends if that was all there was.
    pub(super) fn flush(&self, world: &World) -> bool {
        let mut state = self.state();
        let cleared = state.queue.clear();
        if state.life == Life::Unread {
            world.unread_bytes.give_back(cost(cleared));
        }
        state.cancel_due(world);
        state.end_if_idle(world)
    }
}

impl Named for Channel {
    fn name(&self) -> &str {
        self.name.as_str()
    }
}

impl Source for Channel {
    fn channel(&self) -> &ChannelName {
        &self.name
    }

    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Delivery> {
        let mut state = self.state();
        if let Some(delivery) = state.queue.pop_now() {
            return Poll::Ready(delivery);
        }
        let waker = state.queue.wait(Some(cx.waker()));
        drop(state);
        drop(waker);
        Poll::Pending
    }

    fn try_recv(&self) -> Option<Delivery> {
        self.state().queue.pop_now()
    }

    fn close(self: Arc<Self>) {
        if let Some(world) = self.world.upgrade() {
            world.close(&self);
        }
    }
}
