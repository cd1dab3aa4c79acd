//! What a world does with groups.

use std::sync::{Arc, Weak};

use tokio::time::Instant;

use super::memory_channel::{MemoryChannel, PointerMap};
use super::memory_group::{AddOutcome, MemoryGroup};
use super::tenant::MemoryTenant;
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
            let joined =
                self.groups.get_or_insert(group.as_str(), || MemoryGroup::new(group.clone()));
            match joined.add_member(self, now, &member) {
                Ok(AddOutcome::Added) => return Ok(()),
                Ok(AddOutcome::GroupRemoved) => {}
                Ok(AddOutcome::ChannelRemoved) => self.remove_group_if_empty(&joined),
                Err(error) => {
                    self.remove_group_if_empty(&joined);
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

    /// How many a group has.
    pub(super) fn member_count(&self, group: &GroupName) -> usize {
        self.groups.get(group.as_str()).map_or(0, |group| group.member_count())
    }

    /// Sends to every member and says how many had no room.
    pub(super) fn group_send(&self, group: &GroupName, delivery: &Delivery) -> u64 {
        let now = self.expire_due();
        self.groups.get(group.as_str()).map_or(0, |group| group.deliver(self, now, delivery))
    }

    /// Takes a channel that ended out of its groups.
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

    /// Ends the memberships whose time has come.
    pub(super) fn expire_memberships(&self, now: Instant) {
        while let Some((due, (group, channel))) = self.membership_expiry.pop(now) {
            group.expire_member(self, now, &channel, due);
            self.remove_group_if_empty(&group);
            self.remove_channel_if_idle(&channel);
        }
    }

    /// Forgets a group without members. It is asked under the locks of its shard and its own, so that an add that runs
    /// beside this either comes first or makes a new group.
    fn remove_group_if_empty(&self, group: &MemoryGroup) {
        self.groups.remove_if(group, MemoryGroup::mark_removed_if_empty);
    }
}
