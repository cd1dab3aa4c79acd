//! The open channels of one tenant in this process, and their groups.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::process_channel::ProcessChannel;
use super::{LayerError, LayerLimits};
use narrowboat_core::name::{ChannelName, GroupName};

/// The open channels of one tenant in this process, and their groups.
#[derive(Default)]
pub(super) struct ChannelTable {
    channels: HashMap<ChannelName, OpenChannel>,
    /// The members that are open here.
    groups: HashMap<GroupName, HashMap<ChannelName, Arc<ProcessChannel>>>,
    membership_count: usize,
}

/// An open channel and the groups that it is in.
struct OpenChannel {
    channel: Arc<ProcessChannel>,
    groups: Vec<GroupName>,
}

/// Whether a membership is the only one of its group in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemberCardinality {
    /// The group has no other member here.
    Sole,
    /// The group has other members here.
    OneOfSeveral,
}

impl ChannelTable {
    /// Adds an open channel.
    ///
    /// # Errors
    /// [`LayerError::ChannelBusy`] if a channel of this name is open.
    pub(super) fn insert(&mut self, channel: &Arc<ProcessChannel>) -> Result<(), LayerError> {
        match self.channels.entry(channel.name().clone()) {
            Entry::Occupied(open) => Err(LayerError::ChannelBusy { channel: open.key().clone() }),
            Entry::Vacant(vacant) => {
                vacant.insert(OpenChannel { channel: Arc::clone(channel), groups: Vec::new() });
                Ok(())
            }
        }
    }

    /// Removes a channel with its memberships, and returns its groups. Returns `None` if it is not open.
    pub(super) fn remove(&mut self, name: &ChannelName) -> Option<Vec<GroupName>> {
        let OpenChannel { groups, .. } = self.channels.remove(name)?;
        for group in &groups {
            self.remove_member(group, name);
        }
        Some(groups)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<ProcessChannel>> {
        self.channels.get(name).map(|open| &open.channel)
    }

    pub(super) fn channel_names(&self) -> impl Iterator<Item = &ChannelName> {
        self.channels.keys()
    }

    pub(super) fn group_names(&self) -> impl Iterator<Item = &GroupName> {
        self.groups.keys()
    }

    pub(super) fn has_group(&self, group: &str) -> bool {
        self.groups.contains_key(group)
    }

    /// Returns the members of a group that are open here.
    pub(super) fn members(
        &self,
        group: &str,
    ) -> impl Iterator<Item = (&ChannelName, &Arc<ProcessChannel>)> {
        self.groups.get(group).into_iter().flatten()
    }

    pub(super) fn is_member(&self, group: &GroupName, name: &ChannelName) -> bool {
        self.groups.get(group).is_some_and(|members| members.contains_key(name))
    }

    /// Adds a membership of a channel. Returns `None` if the channel is not open here.
    ///
    /// # Errors
    /// [`LayerError::TooManyGroups`] or [`LayerError::TooManyMemberships`].
    pub(super) fn group_add(
        &mut self,
        limits: &LayerLimits,
        group: &GroupName,
        name: &ChannelName,
    ) -> Result<Option<MemberCardinality>, LayerError> {
        if self.is_member(group, name) {
            return Ok(Some(MemberCardinality::OneOfSeveral));
        }
        let Some(open) = self.channels.get_mut(name) else { return Ok(None) };
        let limit = limits.groups_per_channel;
        if open.groups.len() >= limit {
            return Err(LayerError::TooManyGroups { channel: name.clone(), limit });
        }
        let limit = limits.memberships;
        if self.membership_count >= limit {
            return Err(LayerError::TooManyMemberships { limit });
        }
        self.membership_count += 1;
        open.groups.push(group.clone());
        let members = self.groups.entry(group.clone()).or_default();
        members.insert(name.clone(), Arc::clone(&open.channel));
        Ok(Some(if members.len() == 1 {
            MemberCardinality::Sole
        } else {
            MemberCardinality::OneOfSeveral
        }))
    }

    /// Ends a membership. Returns `None` if there is none here.
    pub(super) fn group_discard(
        &mut self,
        group: &GroupName,
        name: &ChannelName,
    ) -> Option<MemberCardinality> {
        let member = self.remove_member(group, name)?;
        if let Some(open) = self.channels.get_mut(name) {
            open.groups.retain(|other| other != group);
        }
        Some(member)
    }

    /// Ends every membership and drops every delivery.
    pub(super) fn flush(&mut self) {
        self.groups.clear();
        self.membership_count = 0;
        for open in self.channels.values_mut() {
            open.groups.clear();
            open.channel.clear();
        }
    }

    fn remove_member(
        &mut self,
        group: &GroupName,
        name: &ChannelName,
    ) -> Option<MemberCardinality> {
        let members = self.groups.get_mut(group)?;
        members.remove(name)?;
        self.membership_count -= 1;
        if !members.is_empty() {
            return Some(MemberCardinality::OneOfSeveral);
        }
        self.groups.remove(group);
        Some(MemberCardinality::Sole)
    }
}
