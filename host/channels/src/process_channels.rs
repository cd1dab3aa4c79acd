//! The channels of this process, for layers whose backend is elsewhere.

use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::channel_table::{ChannelTable, MemberCardinality};
use super::mailbox_queue::QueueLimits;
use super::process_channel::{ChannelOwner, ProcessChannel, UnreadDeliveries};
use super::{Delivery, LayerError, LayerLimits, Mailbox};
use narrowboat_core::name::{ChannelName, GroupName, Tenant};

/// The layer, as its channels tell it that they were closed.
pub(super) trait CloseListener: Send + Sync {
    /// Handles a dropped mailbox. `groups` are those that its channel was in, `unread` the deliveries that nobody read.
    fn on_channel_closed(
        &self,
        tenant: &Tenant,
        channel: &ChannelName,
        groups: Vec<GroupName>,
        unread: UnreadDeliveries,
    );
}

/// One tenant's open channels and their memberships.
pub(super) struct ProcessChannels {
    tenant: Tenant,
    limits: Arc<LayerLimits>,
    table: RwLock<ChannelTable>,
    close_listener: OnceLock<Weak<dyn CloseListener>>,
}

impl ProcessChannels {
    pub(super) fn new(tenant: Tenant, limits: Arc<LayerLimits>) -> Arc<Self> {
        Arc::new(Self { tenant, limits, table: RwLock::default(), close_listener: OnceLock::new() })
    }

    /// Sets the listener for closed channels. Only the first call has an effect.
    pub(super) fn set_close_listener(&self, listener: Weak<dyn CloseListener>) {
        let _ = self.close_listener.set(listener);
    }

    /// Opens a channel. `drained_notify` is notified each time that its queue becomes empty.
    ///
    /// # Errors
    /// [`LayerError::ChannelBusy`] if the channel is open.
    pub(super) fn open_channel(
        self: &Arc<Self>,
        name: &ChannelName,
        drained_notify: Option<Arc<Notify>>,
    ) -> Result<Mailbox, LayerError> {
        let limits = QueueLimits {
            count: self.limits.capacity_of(name.as_str()),
            bytes: self.limits.mailbox_bytes,
        };
        let owner: Weak<dyn ChannelOwner> = Arc::<Self>::downgrade(self);
        let channel = Arc::new(ProcessChannel::new(name.clone(), limits, owner, drained_notify));
        self.write_table().insert(&channel)?;
        Ok(Mailbox::new(channel))
    }

    /// Returns the open channel of a name.
    pub(super) fn find_channel(&self, name: &str) -> Option<Arc<ProcessChannel>> {
        self.read_table().get(name).cloned()
    }

    /// Puts a delivery into each named channel that is open here. Returns the number of channels that had no room.
    pub(super) fn deliver_to_channels<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
        delivery: &Delivery,
        lifetime: Duration,
    ) -> u64 {
        let channels: Vec<_> = {
            let table = self.read_table();
            names.filter_map(|name| table.get(name).cloned()).collect()
        };
        push_to_all(&channels, delivery, lifetime)
    }

    /// Puts a delivery into a channel that is open here.
    ///
    /// # Errors
    /// Returns the delivery if the channel is full or not open.
    pub(super) fn try_deliver(
        &self,
        name: &ChannelName,
        delivery: Delivery,
        lifetime: Duration,
    ) -> Result<(), Delivery> {
        match self.find_channel(name.as_str()) {
            Some(channel) if channel.try_push(Instant::now(), lifetime, delivery.clone()) => Ok(()),
            _ => Err(delivery),
        }
    }

    /// Puts a delivery into each channel of a group that is open here. Returns the number of channels that had no room.
    pub(super) fn deliver_to_group(
        &self,
        group: &str,
        delivery: &Delivery,
        lifetime: Duration,
    ) -> u64 {
        let members: Vec<_> =
            self.read_table().members(group).map(|(_, channel)| Arc::clone(channel)).collect();
        push_to_all(&members, delivery, lifetime)
    }

    /// Adds a membership of a channel. Returns `None` if the channel is not open here.
    ///
    /// # Errors
    /// [`LayerError::TooManyGroups`] or [`LayerError::TooManyMemberships`].
    pub(super) fn group_add(
        &self,
        group: &GroupName,
        name: &ChannelName,
    ) -> Result<Option<MemberCardinality>, LayerError> {
        self.write_table().group_add(&self.limits, group, name)
    }

    /// Ends a membership. Returns `None` if there is none here.
    pub(super) fn group_discard(
        &self,
        group: &GroupName,
        name: &ChannelName,
    ) -> Option<MemberCardinality> {
        self.write_table().group_discard(group, name)
    }

    /// Whether a channel is open here and a member of the group.
    pub(super) fn is_member(&self, group: &GroupName, name: &ChannelName) -> bool {
        self.read_table().is_member(group, name)
    }

    /// Whether a channel of this process is a member of the group.
    pub(super) fn has_group(&self, group: &str) -> bool {
        self.read_table().has_group(group)
    }

    /// Returns the groups that have members here.
    pub(super) fn group_names(&self) -> Vec<GroupName> {
        self.read_table().group_names().cloned().collect()
    }

    /// Returns the members of a group that are open here.
    pub(super) fn member_names(&self, group: &str) -> Vec<ChannelName> {
        self.read_table().members(group).map(|(name, _)| name.clone()).collect()
    }

    /// Returns the channels that are open here.
    pub(super) fn channel_names(&self) -> Vec<ChannelName> {
        self.read_table().channel_names().cloned().collect()
    }

    /// Ends every membership and drops every delivery.
    pub(super) fn flush(&self) {
        self.write_table().flush();
    }

    fn read_table(&self) -> RwLockReadGuard<'_, ChannelTable> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_table(&self) -> RwLockWriteGuard<'_, ChannelTable> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChannelOwner for ProcessChannels {
    fn close_channel(&self, channel: &Arc<ProcessChannel>) {
        let Some(groups) = self.write_table().remove(channel.name()) else { return };
        let unread = channel.close_and_take_unread();
        if let Some(listener) = self.close_listener.get().and_then(Weak::upgrade) {
            listener.on_channel_closed(&self.tenant, channel.name(), groups, unread);
        }
    }
}

fn push_to_all(channels: &[Arc<ProcessChannel>], delivery: &Delivery, lifetime: Duration) -> u64 {
    let now = Instant::now();
    // A channel that was closed meanwhile drops everything, and that does not count.
    let is_full = |channel: &&Arc<ProcessChannel>| {
        !channel.try_push(now, lifetime, delivery.clone()) && !channel.is_closed()
    };
    channels.iter().filter(is_full).count() as u64
}
