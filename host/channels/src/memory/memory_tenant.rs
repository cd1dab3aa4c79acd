//! One tenant's channels and groups.

use std::sync::Arc;

use tokio::time::Instant;

use super::capped_counter::CappedCounter;
use super::deadline_queue::DeadlineQueue;
use super::memory_channel::{ChannelError, MemoryChannel};
use super::memory_group::MemoryGroup;
use super::sharded_set::ShardedSet;
use crate::{Delivery, LayerError, LayerLimits, Mailbox, QueueLoad};
use narrowboat_core::deferred_wake;
use narrowboat_core::name::ChannelName;

/// The channels and groups of one tenant. This type, [`MemoryChannel`] and [`MemoryGroup`] own each other: a tenant its
/// channels and groups, a group its members, and a channel the list of its groups.
pub(super) struct MemoryTenant {
    pub(super) limits: Arc<LayerLimits>,
    /// Only the channels that have a reader, a delivery or a group.
    pub(super) channels: ShardedSet<MemoryChannel>,
    /// Only the groups that have members.
    pub(super) groups: ShardedSet<MemoryGroup>,
    /// Channels with deliveries and without a reader, each with the deadline of its oldest delivery.
    pub(super) unread_expiry: DeadlineQueue<Arc<MemoryChannel>>,
    /// The bytes in these channels.
    pub(super) unread_bytes: CappedCounter,
    /// Memberships of channels that do not end with their mailbox.
    pub(super) membership_expiry: DeadlineQueue<(Arc<MemoryGroup>, Arc<MemoryChannel>)>,
    /// The number of all memberships.
    pub(super) membership_counter: CappedCounter,
}

impl MemoryTenant {
    pub(super) fn new(limits: Arc<LayerLimits>) -> Arc<Self> {
        Arc::new(Self {
            channels: ShardedSet::new(),
            groups: ShardedSet::new(),
            unread_expiry: DeadlineQueue::new(),
            unread_bytes: CappedCounter::new(limits.unread_bytes),
            membership_expiry: DeadlineQueue::new(),
            membership_counter: CappedCounter::new(limits.memberships),
            limits,
        })
    }

    /// Expires everything that is due, and returns the current time. Each scheduled entry expires once, so the cost is
    /// amortised over the operations that scheduled them.
    pub(super) fn expire_due(&self) -> Instant {
        let now = Instant::now();
        while let Some((_, channel)) = self.unread_expiry.pop(now) {
            channel.expire_unread(self, now);
            self.remove_channel_if_idle(&channel);
        }
        self.expire_memberships(now);
        now
    }

    pub(super) fn open_channel(
        self: &Arc<Self>,
        name: &ChannelName,
    ) -> Result<Mailbox, LayerError> {
        let now = self.expire_due();
        loop {
            let channel = self.get_or_create(name);
            match channel.attach_reader(self, now) {
                Ok(()) => return Ok(Mailbox::new(channel)),
                Err(ChannelError::Layer(error)) => return Err(error),
                Err(ChannelError::Removed(_)) => {}
            }
        }
    }

    pub(super) fn send(
        self: &Arc<Self>,
        name: &ChannelName,
        mut delivery: Delivery,
    ) -> Result<(), LayerError> {
        let now = self.expire_due();
        while let Some(channel) = self.resolve_channel(name) {
            match channel.try_push(self, now, delivery) {
                Ok(waker) => {
                    waker.into_iter().for_each(deferred_wake::wake_or_defer);
                    return Ok(());
                }
                Err(ChannelError::Layer(error)) => {
                    self.remove_channel_if_idle(&channel);
                    return Err(error);
                }
                Err(ChannelError::Removed(None)) => return Ok(()),
                Err(ChannelError::Removed(Some(returned))) => delivery = returned,
            }
        }
        Ok(())
    }

    pub(super) fn check_send(
        self: &Arc<Self>,
        name: &ChannelName,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError> {
        let now = self.expire_due();
        match self.channels.get(name.as_str()) {
            Some(channel) => channel.check_send(self, now, pending, len),
            None if name.is_process_local() => Ok(()),
            None => MemoryChannel::new(name.clone(), self).check_send(self, now, pending, len),
        }
    }

    /// Whether a mailbox of a channel is open.
    pub(super) fn has_reader(&self, name: &ChannelName) -> bool {
        self.channels.get(name.as_str()).is_some_and(|channel| channel.lock_state().has_reader())
    }

    /// Returns the recipient of a send or an add to this name, which is created if need be. A unique name that does not
    /// exist belongs to a connection that has ended, so it is not created.
    pub(super) fn resolve_channel(
        self: &Arc<Self>,
        name: &ChannelName,
    ) -> Option<Arc<MemoryChannel>> {
        if name.is_process_local() {
            self.channels.get(name.as_str())
        } else {
            Some(self.get_or_create(name))
        }
    }

    fn get_or_create(self: &Arc<Self>, name: &ChannelName) -> Arc<MemoryChannel> {
        self.channels.get_or_insert(name.as_str(), || MemoryChannel::new(name.clone(), self))
    }

    /// Handles a dropped mailbox.
    pub(super) fn close_channel(&self, channel: &Arc<MemoryChannel>) {
        if !channel.channel_name().is_process_local() {
            channel.detach_reader(self, Instant::now());
            self.remove_channel_if_idle(channel);
            return;
        }
        let mut removed = None;
        self.channels.remove_if(channel, |channel| {
            removed = Some(channel.mark_removed());
            true
        });
        if let Some((queue, groups)) = removed {
            drop(queue);
            self.remove_from_groups(channel, groups);
        }
    }

    /// Removes a channel that has no reader, no delivery and no group.
    pub(super) fn remove_channel_if_idle(&self, channel: &MemoryChannel) {
        self.channels.remove_if(channel, |channel| channel.mark_removed_if_idle(self));
    }

    /// Drops every delivery and membership. This is the only operation that walks over everything.
    pub(super) fn flush(&self) {
        self.groups.drain(|group| group.remove_all_members(self));
        self.channels.retain(|channel| !channel.flush(self));
    }
}
