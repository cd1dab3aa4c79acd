//! The channels of this process, for layers that keep what is sent elsewhere.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::mailbox::MailboxSource;
use super::mailbox_queue::{MailboxQueue, QueueLimits};
use super::{Delivery, LayerError, LayerLimits, Mailbox, QueueLoad};
use narrowboat_core::deferred_wake;
use narrowboat_core::name::{ChannelName, GroupName, Tenant};

/// Who has to hear that a channel was closed.
pub(super) trait CloseListener: Send + Sync {
    /// A mailbox was dropped. `groups` are those its channel was in, `left` what it had not read.
    fn on_channel_closed(
        &self,
        tenant: &Tenant,
        channel: &ChannelName,
        groups: Vec<GroupName>,
        left: UnreadDeliveries,
    );
}

/// What a mailbox had not read, each with how long it would have lasted.
pub(super) type UnreadDeliveries = Vec<(Duration, Delivery)>;

/// One tenant's open channels and their memberships.
pub(super) struct ProcessChannels {
    tenant: Tenant,
    limits: Arc<LayerLimits>,
    table: RwLock<ChannelTable>,
    close_listener: OnceLock<Weak<dyn CloseListener>>,
}

#[derive(Default)]
struct ChannelTable {
    channels: HashMap<ChannelName, OpenChannel>,
    /// The members that are open here.
    groups: HashMap<GroupName, HashMap<ChannelName, Arc<ProcessChannel>>>,
    memberships: usize,
}

/// An open channel.
struct OpenChannel {
    channel: Arc<ProcessChannel>,
    groups: Vec<GroupName>,
}

/// What a mailbox reads from.
pub(super) struct ProcessChannel {
    name: ChannelName,
    capacity: usize,
    owner: Weak<ProcessChannels>,
    queue: Mutex<MailboxQueue>,
    /// Whether the mailbox was dropped and what waited was taken out; changed under the lock of the queue.
    is_closed: AtomicBool,
    /// Told when nothing waits any more, for a reader that fetches only what is wanted.
    drained_notify: Option<Arc<Notify>>,
}

/// Whether a membership is the first, or the last, of its group here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemberCardinality {
    /// The group has no other member here.
    Sole,
    /// There are others.
    OneOfSeveral,
}

impl ProcessChannels {
    pub(super) fn new(tenant: Tenant, limits: Arc<LayerLimits>) -> Arc<Self> {
        Arc::new(Self { tenant, limits, table: RwLock::default(), close_listener: OnceLock::new() })
    }

    /// Names who hears of closed channels; the first to be named stays.
    pub(super) fn set_close_listener(&self, closing: Weak<dyn CloseListener>) {
        let _ = self.close_listener.set(closing);
    }

    /// Opens a channel.
    pub(super) fn open_channel(
        self: &Arc<Self>,
        name: &ChannelName,
        drained: Option<Arc<Notify>>,
    ) -> Result<Mailbox, LayerError> {
        let channel = Arc::new(ProcessChannel {
            name: name.clone(),
            capacity: self.limits.capacity_of(name.as_str()),
            owner: Arc::downgrade(self),
            queue: Mutex::default(),
            is_closed: AtomicBool::new(false),
            drained_notify: drained,
        });
        match self.write_table().channels.entry(name.clone()) {
            Entry::Occupied(_) => return Err(LayerError::ChannelBusy { channel: name.clone() }),
            Entry::Vacant(place) => {
                place.insert(OpenChannel { channel: Arc::clone(&channel), groups: Vec::new() });
            }
        }
        Ok(Mailbox::new(channel))
    }

    /// The open channel of a name.
    pub(super) fn find_channel(&self, name: &str) -> Option<Arc<ProcessChannel>> {
        self.read_table().channels.get(name).map(|open| Arc::clone(&open.channel))
    }

    /// Puts a delivery in each named channel that is open here; says how many had no room.
    pub(super) fn deliver_to_channels<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
        delivery: &Delivery,
        lasts: Duration,
    ) -> u64 {
        let channels: Vec<_> = {
            let rooms = self.read_table();
            let found = names.filter_map(|name| rooms.channels.get(name));
            found.map(|open| Arc::clone(&open.channel)).collect()
        };
        push_to_all(&channels, delivery, lasts)
    }

    /// Puts a delivery in a channel that is open here.
    ///
    /// # Errors
    /// Gives it back where the channel is not open, or full.
    pub(super) fn try_deliver(
        &self,
        name: &ChannelName,
        delivery: Delivery,
        lasts: Duration,
    ) -> Result<(), Delivery> {
        match self.find_channel(name.as_str()) {
            Some(channel) if channel.try_push(Instant::now(), lasts, delivery.clone()) => Ok(()),
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
            let rooms = self.read_table();
            rooms.groups.get(group).into_iter().flat_map(HashMap::values).cloned().collect()
        };
        push_to_all(&members, delivery, lasts)
    }

    /// Notes a membership of a channel that is open here; `None` for one that is not.
    pub(super) fn group_add(
        &self,
        group: &GroupName,
        name: &ChannelName,
    ) -> Result<Option<MemberCardinality>, LayerError> {
        let mut rooms = self.write_table();
        let ChannelTable { channels, groups, memberships } = &mut *rooms;
        let Some(open) = channels.get_mut(name) else { return Ok(None) };
        if let Some(members) = groups.get(group)
            && members.contains_key(name)
        {
            return Ok(Some(MemberCardinality::OneOfSeveral));
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
        Ok(Some(if members.len() == 1 {
            MemberCardinality::Sole
        } else {
            MemberCardinality::OneOfSeveral
        }))
    }

    /// Ends a membership; `None` if there was none here.
    pub(super) fn group_discard(
        &self,
        group: &GroupName,
        name: &ChannelName,
    ) -> Option<MemberCardinality> {
        let mut rooms = self.write_table();
        let member = rooms.remove_member(group, name)?;
        if let Some(open) = rooms.channels.get_mut(name) {
            open.groups.retain(|other| other != group);
        }
        Some(member)
    }

    /// Whether a channel is open here and a member of the group.
    pub(super) fn is_member(&self, group: &GroupName, name: &ChannelName) -> bool {
        self.read_table().groups.get(group).is_some_and(|members| members.contains_key(name))
    }

    /// Whether a channel of this process is a member of the group.
    pub(super) fn has_group(&self, group: &str) -> bool {
        self.read_table().groups.contains_key(group)
    }

    /// The groups that have members here.
    pub(super) fn group_names(&self) -> Vec<GroupName> {
        self.read_table().groups.keys().cloned().collect()
    }

    /// The members of a group that are open here.
    pub(super) fn member_names(&self, group: &str) -> Vec<ChannelName> {
        self.read_table().groups.get(group).into_iter().flat_map(HashMap::keys).cloned().collect()
    }

    /// The channels that are open here.
    pub(super) fn channel_names(&self) -> Vec<ChannelName> {
        self.read_table().channels.keys().cloned().collect()
    }

    /// Forgets every membership, and what waits in every channel.
    pub(super) fn flush(&self) {
        let mut rooms = self.write_table();
        rooms.groups.clear();
        rooms.memberships = 0;
        for open in rooms.channels.values_mut() {
            open.groups.clear();
            open.channel.lock().clear();
        }
    }

    fn close_channel(&self, channel: &Arc<ProcessChannel>) {
        let mut rooms = self.write_table();
        let Some(OpenChannel { groups, .. }) = rooms.channels.remove(&channel.name) else { return };
        for group in &groups {
            rooms.remove_member(group, &channel.name);
        }
        drop(rooms);
        let left = channel.close_and_take_unread();
        if let Some(closing) = self.close_listener.get().and_then(Weak::upgrade) {
            closing.on_channel_closed(&self.tenant, &channel.name, groups, left);
        }
    }

    fn read_table(&self) -> std::sync::RwLockReadGuard<'_, ChannelTable> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_table(&self) -> std::sync::RwLockWriteGuard<'_, ChannelTable> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChannelTable {
    fn remove_member(
        &mut self,
        group: &GroupName,
        name: &ChannelName,
    ) -> Option<MemberCardinality> {
        let members = self.groups.get_mut(group)?;
        members.remove(name)?;
        self.memberships -= 1;
        if !members.is_empty() {
            return Some(MemberCardinality::OneOfSeveral);
        }
        self.groups.remove(group);
        Some(MemberCardinality::Sole)
    }
}

fn push_to_all(channels: &[Arc<ProcessChannel>], delivery: &Delivery, lasts: Duration) -> u64 {
    let now = Instant::now();
    // One that was closed meanwhile takes everything in silence.
    let refuses = |channel: &&Arc<ProcessChannel>| {
        !channel.try_push(now, lasts, delivery.clone())
            && !channel.is_closed.load(Ordering::Relaxed)
    };
    let refused = channels.iter().filter(refuses);
    refused.count() as u64
}

impl ProcessChannel {
    /// Takes a delivery if there is room.
    fn try_push(&self, now: Instant, lasts: Duration, delivery: Delivery) -> bool {
        let Some(world) = self.owner.upgrade() else { return false };
        let mut queue = self.lock();
        if self.is_closed.load(Ordering::Relaxed) {
            return false;
        }
        queue.drop_expired(now);
        if !queue.has_room(QueueLoad::default(), delivery.len(), self.queue_limits(&world.limits)) {
            return false;
        }
        let deadline = now.checked_add(lasts).unwrap_or(now);
        let waker = queue.push(deadline, delivery);
        drop(queue);
        waker.into_iter().for_each(deferred_wake::wake_or_defer);
        true
    }

    /// Whether there is room for a delivery of `len` bytes after what is pending.
    pub(super) fn has_room(&self, pending: QueueLoad, len: usize) -> bool {
        let Some(world) = self.owner.upgrade() else { return false };
        let mut queue = self.lock();
        queue.drop_expired(Instant::now());
        queue.has_room(pending, len, self.queue_limits(&world.limits))
    }

    fn queue_limits(&self, limits: &LayerLimits) -> QueueLimits {
        QueueLimits { count: self.capacity, bytes: limits.mailbox_bytes }
    }

    /// Whether it is open and nothing waits.
    pub(super) fn is_drained(&self) -> bool {
        let queue = self.lock();
        queue.is_empty() && !self.is_closed.load(Ordering::Relaxed)
    }

    fn pop_delivery(&self) -> Option<Delivery> {
        self.lock().pop_now()
    }

    fn close_and_take_unread(&self) -> UnreadDeliveries {
        let mut left = UnreadDeliveries::new();
        let mut queue = self.lock();
        let now = Instant::now();
        self.is_closed.store(true, Ordering::Relaxed);
        queue.drop_expired(now);
        while let Some(deadline) = queue.oldest_deadline() {
            let Some(delivery) = queue.pop(now) else { break };
            left.push((deadline.saturating_duration_since(now), delivery));
        }
        let waker = queue.replace_waker(None);
        drop(queue);
        drop(waker);
        left
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
        let delivery = self.pop_delivery()?;
        self.notify_if_drained();
        Some(delivery)
    }

    fn close(self: Arc<Self>) {
        if let Some(world) = self.owner.upgrade() {
            world.close_channel(&self);
        }
    }
}
