//! Group operations of a tenant.

use std::sync::{Arc, Weak};

use tokio::time::Instant;

use super::memory_channel::MemoryChannel;
use super::memory_group::{AddOutcome, MemoryGroup};
use super::memory_tenant::MemoryTenant;
use super::pointer_map::PointerMap;
use crate::{Delivery, LayerError};
use narrowboat_core::name::{ChannelName, GroupName};

impl MemoryTenant {
    pub(super) fn group_add(
        self: &Arc<Self>,
        group: &GroupName,
        channel: &ChannelName,
    ) -> Result<(), LayerError> {
        let now = self.expire_due();
        while let Some(member) = self.resolve_channel(channel) {
            let group_entry =
                self.groups.get_or_insert(group.as_str(), || MemoryGroup::new(group.clone()));
            match group_entry.add_member(self, now, &member) {
                Ok(AddOutcome::Added) => return Ok(()),
                Ok(AddOutcome::GroupRemoved) => {}
                Ok(AddOutcome::ChannelRemoved) => self.remove_group_if_empty(&group_entry),
                Err(error) => {
                    self.remove_group_if_empty(&group_entry);
                    self.remove_channel_if_idle(&member);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    pub(super) fn group_discard(&self, group: &GroupName, channel: &ChannelName) {
        self.expire_due();
        let (group, channel) =
            (self.groups.get(group.as_str()), self.channels.get(channel.as_str()));
        if let (Some(group), Some(channel)) = (group, channel) {
            self.remove_membership(&group, &channel);
        }
    }

    /// Returns the number of members of a group.
    pub(super) fn member_count(&self, group: &GroupName) -> usize {
        self.groups.get(group.as_str()).map_or(0, |group| group.member_count())
    }

    /// Sends a delivery to every member. Returns the number of members that were full.
    pub(super) fn group_send(&self, group: &GroupName, delivery: &Delivery) -> u64 {
        let now = self.expire_due();
        self.groups.get(group.as_str()).map_or(0, |group| group.deliver(self, now, delivery))
    }

    /// Removes a channel that has ended from its groups.
    pub(super) fn remove_from_groups(
        &self,
        channel: &Arc<MemoryChannel>,
        groups: PointerMap<Weak<MemoryGroup>>,
    ) {
        for group in groups.into_values().filter_map(|group| group.upgrade()) {
            group.remove_member(self, channel);
            self.remove_group_if_empty(&group);
        }
    }

    fn remove_membership(&self, group: &Arc<MemoryGroup>, channel: &Arc<MemoryChannel>) {
        group.remove_member(self, channel);
        self.remove_group_if_empty(group);
        self.remove_channel_if_idle(channel);
    }

    /// Ends the memberships that have expired.
    pub(super) fn expire_memberships(&self, now: Instant) {
        while let Some((key, (group, channel))) = self.membership_expiry.pop(now) {
            group.expire_member(self, now, &channel, key);
            self.remove_group_if_empty(&group);
            self.remove_channel_if_idle(&channel);
        }
    }

    /// Removes a group without members. Checks that under the locks of the shard and of the group, so a concurrent add
    /// either comes first or makes a new group.
    fn remove_group_if_empty(&self, group: &MemoryGroup) {
        self.groups.remove_if(group, MemoryGroup::mark_removed_if_empty);
    }
}
