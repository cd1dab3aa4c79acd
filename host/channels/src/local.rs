//! The channels of this process, for layers that keep what is sent elsewhere.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::mailbox::Source;
use super::queue::{Bounds, Queue};
use super::{Delivery, LayerError, LayerLimits, Mailbox, Pending};
use narrowboat_core::name::{ChannelName, GroupName, Tenant};
use narrowboat_core::waking;

/// Who has to hear that a channel was closed.
pub(super) trait Closing: Send + Sync {
    /// A mailbox was dropped. `groups` are those its channel was in, `left` what it had not read.
    fn closed(&self, tenant: &Tenant, channel: &ChannelName, groups: Vec<GroupName>, left: Left);
}

/// What a mailbox had not read, each with how long it would have lasted.
pub(super) type Left = Vec<(Duration, Delivery)>;

/// One tenant's open channels and their memberships.
pub(super) struct Local {
    tenant: Tenant,
    limits: Arc<LayerLimits>,
    rooms: RwLock<Rooms>,
    closing: OnceLock<Weak<dyn Closing>>,
}

#[derive(Default)]
struct Rooms {
    channels: HashMap<ChannelName, Open>,
    /// The members that are open here.
    groups: HashMap<GroupName, HashMap<ChannelName, Arc<Channel>>>,
    memberships: usize,
}

/// An open channel.
struct Open {
    channel: Arc<Channel>,
    groups: Vec<GroupName>,
}

/// What a mailbox reads from.
pub(super) struct Channel {
    name: ChannelName,
    capacity: usize,
    world: Weak<Local>,
    queue: Mutex<Queue>,
    /// Whether the mailbox was dropped and what waited was taken out; changed under the lock of the queue.
    is_closed: AtomicBool,
    /// Told when nothing waits any more, for a reader that fetches only what is wanted.
    drained: Option<Arc<Notify>>,
}

/// Whether a membership is the first, or the last, of its group here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    /// The group has no other member here.
    Only,
    /// There are others.
    Among,
}

impl Local {
    pub(super) fn new(tenant: Tenant, limits: Arc<LayerLimits>) -> Arc<Self> {
        Arc::new(Self { tenant, limits, rooms: RwLock::default(), closing: OnceLock::new() })
    }

    /// Names who hears of closed channels; the first to be named stays.
    pub(super) fn on_close(&self, closing: Weak<dyn Closing>) {
        let _ = self.closing.set(closing);
    }

    /// Opens a channel.
    pub(super) fn open(
        self: &Arc<Self>,
        name: &ChannelName,
        drained: Option<Arc<Notify>>,
    ) -> Result<Mailbox, LayerError> {
        let channel = Arc::new(Channel {
            name: name.clone(),
            capacity: self.limits.capacity_of(name.as_str()),
            world: Arc::downgrade(self),
            queue: Mutex::default(),
            is_closed: AtomicBool::new(false),
            drained,
        });
        match self.write().channels.entry(name.clone()) {
            Entry::Occupied(_) => return Err(LayerError::ChannelBusy { channel: name.clone() }),
            Entry::Vacant(place) => {
                place.insert(Open { channel: Arc::clone(&channel), groups: Vec::new() });
            }
        }
        Ok(Mailbox::new(channel))
    }

    /// The open channel of a name.
    pub(super) fn find(&self, name: &str) -> Option<Arc<Channel>> {
        self.read().channels.get(name).map(|open| Arc::clone(&open.channel))
    }

    /// Puts a delivery in each named channel that is open here; says how many had no room.
    pub(super) fn deliver<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
        delivery: &Delivery,
        lasts: Duration,
    ) -> u64 {
        let channels: Vec<_> = {
            let rooms = self.read();
            let found = names.filter_map(|name| rooms.channels.get(name));
            found.map(|open| Arc::clone(&open.channel)).collect()
        };
        offer_all(&channels, delivery, lasts)
    }

    /// Puts a delivery in a channel that is open here.
    ///
    /// # Errors
    /// Gives it back where the channel is not open, or full.
    pub(super) fn offer(
        &self,
        name: &ChannelName,
        delivery: Delivery,
        lasts: Duration,
    ) -> Result<(), Delivery> {
        match self.find(name.as_str()) {
            Some(channel) if channel.offer(Instant::now(), lasts, delivery.clone()) => Ok(()),
            _ => Err(delivery),
        }
    }

    /// Puts a delivery in each channel of a group that is open here; says how many had no room.
    pub(super) fn deliver_to_group(
        &self,
        group: &str,
        delivery: &Delivery,
        lasts: Duration,
    ) -> u64 {
        let members: Vec<_> = {
            let rooms = self.read();
            rooms.groups.get(group).into_iter().flat_map(HashMap::values).cloned().collect()
        };
        offer_all(&members, delivery, lasts)
    }

    /// Notes a membership of a channel that is open here; `None` for one that is not.
    pub(super) fn join(
        &self,
        group: &GroupName,
        name: &ChannelName,
    ) -> Result<Option<Member>, LayerError> {
        let mut rooms = self.write();
        let Rooms { channels, groups, memberships } = &mut *rooms;
        let Some(open) = channels.get_mut(name) else { return Ok(None) };
        if let Some(members) = groups.get(group)
            && members.contains_key(name)
        {
            return Ok(Some(Member::Among));
        }
        let limit = self.limits.groups_per_channel;
        if open.groups.len() >= limit {
            return Err(LayerError::TooManyGroups { channel: name.clone(), limit });
        }
        let limit = self.limits.memberships;
        if *memberships >= limit {
            return Err(LayerError::TooManyMemberships { limit });
        }
        *memberships += 1;
        open.groups.push(group.clone());
        let members = groups.entry(group.clone()).or_default();
        members.insert(name.clone(), Arc::clone(&open.channel));
        Ok(Some(if members.len() == 1 { Member::Only } else { Member::Among }))
    }

    /// Ends a membership; `None` if there was none here.
    pub(super) fn leave(&self, group: &GroupName, name: &ChannelName) -> Option<Member> {
        let mut rooms = self.write();
        let member = rooms.leave(group, name)?;
        if let Some(open) = rooms.channels.get_mut(name) {
            open.groups.retain(|other| other != group);
        }
        Some(member)
    }

    /// Whether a channel is open here and a member of the group.
    pub(super) fn is_member(&self, group: &GroupName, name: &ChannelName) -> bool {
        self.read().groups.get(group).is_some_and(|members| members.contains_key(name))
    }

    /// Whether a channel of this process is a member of the group.
    pub(super) fn has_group(&self, group: &str) -> bool {
        self.read().groups.contains_key(group)
    }

    /// The groups that have members here.
    pub(super) fn groups(&self) -> Vec<GroupName> {
        self.read().groups.keys().cloned().collect()
    }

    /// The members of a group that are open here.
    pub(super) fn members(&self, group: &str) -> Vec<ChannelName> {
        self.read().groups.get(group).into_iter().flat_map(HashMap::keys).cloned().collect()
    }

    /// The channels that are open here.
    pub(super) fn channels(&self) -> Vec<ChannelName> {
        self.read().channels.keys().cloned().collect()
    }

    /// Forgets every membership, and what waits in every channel.
    pub(super) fn flush(&self) {
        let mut rooms = self.write();
        rooms.groups.clear();
        rooms.memberships = 0;
        for open in rooms.channels.values_mut() {
            open.groups.clear();
            open.channel.lock().clear();
        }
    }

    fn close(&self, channel: &Arc<Channel>) {
        let mut rooms = self.write();
        let Some(Open { groups, .. }) = rooms.channels.remove(&channel.name) else { return };
        for group in &groups {
            rooms.leave(group, &channel.name);
        }
        drop(rooms);
        let left = channel.take_all();
        if let Some(closing) = self.closing.get().and_then(Weak::upgrade) {
            closing.closed(&self.tenant, &channel.name, groups, left);
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Rooms> {
        self.rooms.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Rooms> {
        self.rooms.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rooms {
    fn leave(&mut self, group: &GroupName, name: &ChannelName) -> Option<Member> {
        let members = self.groups.get_mut(group)?;
        members.remove(name)?;
        self.memberships -= 1;
        if !members.is_empty() {
            return Some(Member::Among);
        }
        self.groups.remove(group);
        Some(Member::Only)
    }
}

fn offer_all(channels: &[Arc<Channel>], delivery: &Delivery, lasts: Duration) -> u64 {
    let now = Instant::now();
    // One that was closed meanwhile takes everything in silence.
    let refuses = |channel: &&Arc<Channel>| {
        !channel.offer(now, lasts, delivery.clone()) && !channel.is_closed.load(Ordering::Relaxed)
    };
    let refused = channels.iter().filter(refuses);
    refused.count() as u64
}

impl Channel {
    /// Takes a delivery if there is room.
    fn offer(&self, now: Instant, lasts: Duration, delivery: Delivery) -> bool {
        let Some(world) = self.world.upgrade() else { return false };
        let mut queue = self.lock();
        if self.is_closed.load(Ordering::Relaxed) {
            return false;
        }
        queue.forget_expired(now);
        if !queue.has_room(Pending::default(), delivery.len(), self.bounds(&world.limits)) {
            return false;
        }
        let deadline = now.checked_add(lasts).unwrap_or(now);
        let waker = queue.push(deadline, delivery);
        drop(queue);
        waker.into_iter().for_each(waking::wake);
        true
    }

    /// Whether there is room for a delivery of `len` bytes after what is pending.
    pub(super) fn has_room(&self, pending: Pending, len: usize) -> bool {
        let Some(world) = self.world.upgrade() else { return false };
        let mut queue = self.lock();
        queue.forget_expired(Instant::now());
        queue.has_room(pending, len, self.bounds(&world.limits))
    }

    fn bounds(&self, limits: &LayerLimits) -> Bounds {
        Bounds { count: self.capacity, bytes: limits.mailbox_bytes }
    }

    /// Whether it is open and nothing waits.
    pub(super) fn is_drained(&self) -> bool {
        let queue = self.lock();
        queue.is_empty() && !self.is_closed.load(Ordering::Relaxed)
    }

    fn take(&self) -> Option<Delivery> {
        self.lock().pop_now()
    }

    fn take_all(&self) -> Left {
        let mut left = Left::new();
        let mut queue = self.lock();
        let now = Instant::now();
        self.is_closed.store(true, Ordering::Relaxed);
        queue.forget_expired(now);
        while let Some(deadline) = queue.oldest_deadline() {
            let Some(delivery) = queue.pop(now) else { break };
            left.push((deadline.saturating_duration_since(now), delivery));
        }
        let waker = queue.wait(None);
        drop(queue);
        drop(waker);
        left
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_drained(&self) {
        if let Some(drained) = &self.drained
            && self.is_drained()
        {
            drained.notify_one();
        }
    }
}

impl Source for Channel {
    fn channel(&self) -> &ChannelName {
        &self.name
    }

    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Delivery> {
        let mut queue = self.lock();
        if let Some(delivery) = queue.pop_now() {
            drop(queue);
            self.tell_drained();
            return Poll::Ready(delivery);
        }
        let waker = queue.wait(Some(cx.waker()));
        drop(queue);
        drop(waker);
        Poll::Pending
    }

    fn try_recv(&self) -> Option<Delivery> {
        let delivery = self.take()?;
        self.tell_drained();
        Some(delivery)
    }

    fn close(self: Arc<Self>) {
        if let Some(world) = self.world.upgrade() {
            world.close(&self);
        }
    }
}
