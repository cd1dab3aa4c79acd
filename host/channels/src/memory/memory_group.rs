//! One group and its members.

use std::hash::{BuildHasherDefault, DefaultHasher};
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indexmap::IndexMap;
use tokio::time::Instant;

use super::deadline_queue::{DeadlineKey, deadline_after};
use super::lock;
use super::memory_channel::{ChannelError, MemoryChannel};
use super::sharded_set::HasName;
use super::tenant::MemoryTenant;
use crate::{Delivery, LayerError};
use narrowboat_core::deferred_wake;
use narrowboat_core::name::GroupName;

pub(super) struct MemoryGroup {
    name: GroupName,
    members: Mutex<GroupMembers>,
}

/// Members by their channel's address. Dense, so that a send walks an array; in the order of their adding, except that
/// the last takes the place of one that left.
#[derive(Default)]
struct GroupMembers {
    by_channel: IndexMap<usize, GroupMember, BuildHasherDefault<DefaultHasher>>,
    /// Nobody finds the group any more; who still holds it has to look again.
    is_removed: bool,
}

struct GroupMember {
    channel: Arc<MemoryChannel>,
    /// When the membership expires, unless its channel ends first.
    expiry_key: Option<DeadlineKey>,
}

/// The shortest life of a membership, so that one which is renewed lies ahead again.
const MIN_GROUP_EXPIRY: Duration = Duration::from_millis(1);

/// What became of an attempt to add a member.
pub(super) enum AddOutcome {
    Added,
    GroupRemoved,
    ChannelRemoved,
}

fn pointer_address<T>(thing: &Arc<T>) -> usize {
    Arc::as_ptr(thing).addr()
}

impl MemoryGroup {
    pub(super) fn new(name: GroupName) -> Self {
        Self { name, members: Mutex::default() }
    }

    /// Adds a member, or renews its membership. Both locks are held, so that a channel that ends either sees the group
    /// among its own or is seen to have ended.
    pub(super) fn add_member(
        self: &Arc<Self>,
        world: &MemoryTenant,
        now: Instant,
        channel: &Arc<MemoryChannel>,
    ) -> Result<AddOutcome, LayerError> {
        let mut members = lock(&self.members);
        if members.is_removed {
            return Ok(AddOutcome::GroupRemoved);
        }
        let mut state = channel.lock_state();
        if state.is_removed() {
            return Ok(AddOutcome::ChannelRemoved);
        }
        let key = pointer_address(channel);
        if !members.by_channel.contains_key(&key) {
            reserve_membership(world, state.groups.len(), channel)?;
            state.groups.insert(pointer_address(self), Arc::downgrade(self));
        }
        let due = self.schedule_expiry(world, now, channel);
        let member = GroupMember { channel: Arc::clone(channel), expiry_key: due };
        let before = members.by_channel.insert(key, member);
        if let Some(due) = before.and_then(|member| member.expiry_key) {
            world.membership_expiry.cancel(due);
        }
        Ok(AddOutcome::Added)
    }

    /// A unique channel ends with its mailbox and takes its memberships along, so they need no deadline: one would
    /// only drop a socket out of its groups after a day, as theirs does. Other names need one, since nothing tells
    /// that their reader will never come back.
    fn schedule_expiry(
        self: &Arc<Self>,
        world: &MemoryTenant,
        now: Instant,
        channel: &Arc<MemoryChannel>,
    ) -> Option<DeadlineKey> {
        let expires = !channel.channel_name().is_process_local();
        let at = deadline_after(now, world.limits.group_expiry.max(MIN_GROUP_EXPIRY));
        expires
            .then(|| world.membership_expiry.schedule(at, (Arc::clone(self), Arc::clone(channel))))
    }

    pub(super) fn remove_member(
        self: &Arc<Self>,
        world: &MemoryTenant,
        channel: &Arc<MemoryChannel>,
    ) {
        let removed = self.remove_member_locked(&mut lock(&self.members), world, channel);
        drop(removed);
    }

    fn remove_member_locked(
        self: &Arc<Self>,
        members: &mut GroupMembers,
        world: &MemoryTenant,
        channel: &Arc<MemoryChannel>,
    ) -> Option<GroupMember> {
        let member = members.by_channel.swap_remove(&pointer_address(channel))?;
        if let Some(due) = member.expiry_key {
            world.membership_expiry.cancel(due);
        }
        world.membership_counter.subtract(1);
        channel.lock_state().groups.remove(&pointer_address(self));
        Some(member)
    }

    /// Ends the membership whose time has come, or renews it where a mailbox is open.
    pub(super) fn expire_member(
        self: &Arc<Self>,
        world: &MemoryTenant,
        now: Instant,
        channel: &Arc<MemoryChannel>,
        due: DeadlineKey,
    ) {
        let mut members = lock(&self.members);
        let Some(member) = members.by_channel.get_mut(&pointer_address(channel)) else { return };
        if member.expiry_key != Some(due) {
            return;
        }
        if channel.lock_state().has_reader() {
            member.expiry_key = self.schedule_expiry(world, now, channel);
            return;
        }
        let removed = self.remove_member_locked(&mut members, world, channel);
        drop(members);
        drop(removed);
    }

    /// How many there are.
    pub(super) fn member_count(&self) -> usize {
        lock(&self.members).by_channel.len()
    }

    /// Gives every member the delivery and says how many had no room for it.
    pub(super) fn deliver(&self, world: &MemoryTenant, now: Instant, delivery: &Delivery) -> u64 {
        let mut wakers = Vec::new();
        let mut dropped = 0;
        let members = lock(&self.members);
        for member in members.by_channel.values() {
            match member.channel.try_push(world, now, delivery.clone()) {
                Ok(waker) => wakers.extend(waker),
                Err(ChannelError::Layer(_)) => dropped += 1,
                Err(ChannelError::Removed(_)) => {}
            }
        }
        drop(members);
        wakers.into_iter().for_each(deferred_wake::wake_or_defer);
        dropped
    }

    /// Ends a group without members.
    pub(super) fn mark_removed_if_empty(&self) -> bool {
        let mut members = lock(&self.members);
        members.is_removed |= members.by_channel.is_empty();
        members.is_removed
    }

    /// Ends the group with all its memberships.
    pub(super) fn remove_all_members(self: &Arc<Self>, world: &MemoryTenant) {
        let mut members = lock(&self.members);
        members.is_removed = true;
        let by_channel = mem::take(&mut members.by_channel);
        for member in by_channel.values() {
            if let Some(due) = member.expiry_key {
                world.membership_expiry.cancel(due);
            }
            world.membership_counter.subtract(1);
            member.channel.lock_state().groups.remove(&pointer_address(self));
        }
        drop(members);
    }
}

fn reserve_membership(
    world: &MemoryTenant,
    groups: usize,
    channel: &MemoryChannel,
) -> Result<(), LayerError> {
    let limit = world.limits.groups_per_channel;
    if groups >= limit {
        return Err(LayerError::TooManyGroups { channel: channel.channel_name().clone(), limit });
    }
    if world.membership_counter.try_add(1) {
        Ok(())
    } else {
        Err(LayerError::TooManyMemberships { limit: world.membership_counter.limit() })
    }
}

impl HasName for MemoryGroup {
    fn name(&self) -> &str {
        self.name.as_str()
    }
}
