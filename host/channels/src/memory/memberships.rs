//! What a world does with groups.

use std::sync::{Arc, Weak};

use tokio::time::Instant;

use super::channel::{ByAddress, Channel};
use super::group::{Added, Group};
use super::world::World;
use crate::{Delivery, LayerError};
use narrowboat_core::name::{ChannelName, GroupName};

impl World {
    pub(super) fn group_add(
        self: &Arc<Self>,
        group: &GroupName,
        channel: &ChannelName,
    ) -> Result<(), LayerError> {
        let now = self.tidy();
        while let Some(member) = self.receiver(channel) {
            let joined = self.groups.get_or_insert(group.as_str(), || Group::new(group.clone()));
            match joined.add(self, now, &member) {
                Ok(Added::Done) => return Ok(()),
                Ok(Added::GroupEnded) => {}
                Ok(Added::ChannelEnded) => self.retire_group(&joined),
                Err(error) => {
                    self.retire_group(&joined);
                    self.retire(&member);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    pub(super) fn group_discard(&self, group: &GroupName, channel: &ChannelName) {
        self.tidy();
        let (group, channel) =
            (self.groups.get(group.as_str()), self.channels.get(channel.as_str()));
        if let (Some(group), Some(channel)) = (group, channel) {
            self.end_membership(&group, &channel);
        }
    }

    /// How many a group has.
    pub(super) fn members(&self, group: &GroupName) -> usize {
        self.groups.get(group.as_str()).map_or(0, |group| group.members())
    }

    /// Sends to every member and says how many had no room.
    pub(super) fn group_send(&self, group: &GroupName, delivery: &Delivery) -> u64 {
        let now = self.tidy();
        self.groups.get(group.as_str()).map_or(0, |group| group.send(self, now, delivery))
    }

    /// Takes a channel that ended out of its groups.
    pub(super) fn leave_groups(&self, channel: &Arc<Channel>, groups: ByAddress<Weak<Group>>) {
        for group in groups.into_values().filter_map(|group| group.upgrade()) {
            group.remove(self, channel);
            self.retire_group(&group);
        }
    }

    fn end_membership(&self, group: &Arc<Group>, channel: &Arc<Channel>) {
        group.remove(self, channel);
        self.retire_group(group);
        self.retire(channel);
    }

    /// Ends the memberships whose time has come.
    pub(super) fn expire_memberships(&self, now: Instant) {
        while let Some((due, (group, channel))) = self.expiring.pop(now) {
            group.expire(self, now, &channel, due);
            self.retire_group(&group);
            self.retire(&channel);
        }
    }

    /// Forgets a group without members. It is asked under the locks of its shard and its own, so that an add that runs
    /// beside this either comes first or makes a new group.
    fn retire_group(&self, group: &Group) {
        self.groups.remove_if(group, Group::end_if_empty);
    }
}
