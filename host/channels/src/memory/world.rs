//! One tenant's channels and groups.

use std::sync::Arc;

use tokio::time::Instant;

use super::budget::Budget;
use super::channel::{Channel, Refusal};
use super::deadlines::Deadlines;
use super::group::Group;
use super::shards::Shards;
use crate::{Delivery, LayerError, LayerLimits, Mailbox, Pending};
use narrowboat_core::name::ChannelName;
use narrowboat_core::waking;

/// Everything that belongs to a tenant; another tenant has another world.
pub(super) struct World {
    pub(super) limits: Arc<LayerLimits>,
    /// The channels that are read, in which something waits, or which are in a group; and no others.
    pub(super) channels: Shards<Channel>,
    /// The groups that have members.
    pub(super) groups: Shards<Group>,
    /// Channels in which something waits that nobody reads, each by its oldest delivery's deadline.
    pub(super) unread: Deadlines<Arc<Channel>>,
    /// What waits in those, in bytes.
    pub(super) unread_bytes: Budget,
    /// Memberships of channels that do not end with a mailbox.
    pub(super) expiring: Deadlines<(Arc<Group>, Arc<Channel>)>,
    /// All memberships.
    pub(super) memberships: Budget,
}

impl World {
    pub(super) fn new(limits: Arc<LayerLimits>) -> Arc<Self> {
        Arc::new(Self {
            channels: Shards::new(),
            groups: Shards::new(),
            unread: Deadlines::new(),
            unread_bytes: Budget::new(limits.unread_bytes),
            expiring: Deadlines::new(),
            memberships: Budget::new(limits.memberships),
            limits,
        })
    }

    /// Does what fell due before an operation, and says what time the operation has. Each thing falls due once for
    /// each time it was put in, so operations pay for what operations left.
    pub(super) fn tidy(&self) -> Instant {
        let now = Instant::now();
        while let Some((_, channel)) = self.unread.pop(now) {
            channel.expire(self, now);
            self.retire(&channel);
        }
        self.expire_memberships(now);
        now
    }

    pub(super) fn open(self: &Arc<Self>, name: &ChannelName) -> Result<Mailbox, LayerError> {
        let now = self.tidy();
        loop {
            let channel = self.get_or_create(name);
            match channel.attach(self, now) {
                Ok(()) => return Ok(Mailbox::new(channel)),
                Err(Refusal::Error(error)) => return Err(error),
                Err(Refusal::Ended(_)) => {}
            }
        }
    }

    pub(super) fn send(
        self: &Arc<Self>,
        name: &ChannelName,
        mut delivery: Delivery,
    ) -> Result<(), LayerError> {
        let now = self.tidy();
        while let Some(channel) = self.receiver(name) {
            match channel.offer(self, now, delivery) {
                Ok(waker) => {
                    waker.into_iter().for_each(waking::wake);
                    return Ok(());
                }
                Err(Refusal::Error(error)) => {
                    self.retire(&channel);
                    return Err(error);
                }
                Err(Refusal::Ended(None)) => return Ok(()),
                Err(Refusal::Ended(Some(returned))) => delivery = returned,
            }
        }
        Ok(())
    }

    pub(super) fn probe(
        self: &Arc<Self>,
        name: &ChannelName,
        pending: Pending,
        len: usize,
    ) -> Result<(), LayerError> {
        let now = self.tidy();
        match self.channels.get(name.as_str()) {
            Some(channel) => channel.probe(self, now, pending, len),
            None if name.is_unique() => Ok(()),
            None => Channel::new(name.clone(), self).probe(self, now, pending, len),
        }
    }

    /// Whether a mailbox of a channel is open.
    pub(super) fn is_read(&self, name: &ChannelName) -> bool {
        self.channels.get(name.as_str()).is_some_and(|channel| channel.state().is_read())
    }

    /// Whom a send or an add to this name means. A unique name that is not here belongs to a connection that is gone,
    /// and nothing is made for it.
    pub(super) fn receiver(self: &Arc<Self>, name: &ChannelName) -> Option<Arc<Channel>> {
        if name.is_unique() {
            self.channels.get(name.as_str())
        } else {
            Some(self.get_or_create(name))
        }
    }

    fn get_or_create(self: &Arc<Self>, name: &ChannelName) -> Arc<Channel> {
        self.channels.get_or_insert(name.as_str(), || Channel::new(name.clone(), self))
    }

    /// The mailbox of a channel was dropped.
    pub(super) fn close(&self, channel: &Arc<Channel>) {
        if !channel.channel_name().is_unique() {
            channel.detach(self, Instant::now());
            self.retire(channel);
            return;
        }
        let mut left = None;
        self.channels.remove_if(channel, |channel| {
            left = Some(channel.end());
            true
        });
        if let Some((queue, groups)) = left {
            drop(queue);
            self.leave_groups(channel, groups);
        }
    }

    /// Forgets a channel that is neither read nor in a group and in which nothing waits.
    pub(super) fn retire(&self, channel: &Channel) {
        self.channels.remove_if(channel, |channel| channel.end_if_idle(self));
    }

    /// Forgets what waits and who belongs where. The one operation that walks over everything.
    pub(super) fn flush(&self) {
        self.groups.drain(|group| group.end(self));
        self.channels.retain(|channel| !channel.flush(self));
    }
}
