//! One group of channels.

use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indexmap::IndexMap;
use tokio::time::Instant;

use super::deadline_queue::{DeadlineKey, deadline_after};
use super::lock::lock;
use super::memory_channel::{ChannelError, MemoryChannel};
use super::memory_tenant::MemoryTenant;
use super::pointer_map::{PointerHasher, pointer_address};
use super::sharded_set::HasName;
use crate::{Delivery, LayerError};
use narrowboat_core::deferred_wake;
use narrowboat_core::name::GroupName;

/// One group. [`MemoryTenant`], [`MemoryChannel`] and this type own each other: a tenant its channels and groups, a
/// group its members, and a channel the list of its groups.
pub(super) struct MemoryGroup {
    name: GroupName,
    members: Mutex<GroupMembers>,
}

/// Members by the address of their channel. An `IndexMap` is dense, so a send walks an array. Members are in the order
/// in which they were added, except that the last one takes the place of one that left.
#[derive(Default)]
struct GroupMembers {
    by_channel: IndexMap<usize, GroupMember, PointerHasher>,
    /// Whether the tenant no longer has the group. A thread that still holds it looks the name up again.
    is_removed: bool,
}

struct GroupMember {
    channel: Arc<MemoryChannel>,
    /// The scheduled expiry, for a channel that may never end.
    expiry_key: Option<DeadlineKey>,
}

/// The shortest lifetime of a membership, so that a renewed one expires in the future.
const MIN_GROUP_EXPIRY: Duration = Duration::from_millis(1);

/// The outcome of adding a member.
pub(super) enum AddOutcome {
    Added,
    GroupRemoved,
    ChannelRemoved,
}

impl MemoryGroup {
    pub(super) fn new(name: GroupName) -> Self {
        Self { name, members: Mutex::default() }
    }

    /// Adds a member, or renews its membership. Holds the locks of both, so a channel that ends concurrently either has
    /// the group in its list or is already marked as removed.
    ///
    /// # Errors
    /// [`LayerError::TooManyGroups`] or [`LayerError::TooManyMemberships`].
    pub(super) fn add_member(
        self: &Arc<Self>,
        tenant: &MemoryTenant,
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
            reserve_membership(tenant, state.groups.len(), channel)?;
            state.groups.insert(pointer_address(self), Arc::downgrade(self));
        }
        let expiry_key = self.schedule_expiry(tenant, now, channel);
        let member = GroupMember { channel: Arc::clone(channel), expiry_key };
        let previous = members.by_channel.insert(key, member);
        if let Some(expiry_key) = previous.and_then(|member| member.expiry_key) {
            tenant.membership_expiry.cancel(expiry_key);
        }
        Ok(AddOutcome::Added)
    }

    /// Schedules the expiry of a membership, unless the channel's name is unique. A unique channel ends with its
    /// mailbox, and its memberships with it, so an expiry would only drop a long-lived socket from its groups. Other
    /// channels need one, since the reader may never come back.
    fn schedule_expiry(
        self: &Arc<Self>,
        tenant: &MemoryTenant,
        now: Instant,
        channel: &Arc<MemoryChannel>,
    ) -> Option<DeadlineKey> {
        let expires = !channel.channel_name().is_process_local();
        let deadline = deadline_after(now, tenant.limits.group_expiry.max(MIN_GROUP_EXPIRY));
        expires.then(|| {
            tenant.membership_expiry.schedule(deadline, (Arc::clone(self), Arc::clone(channel)))
        })
    }

    pub(super) fn remove_member(
        self: &Arc<Self>,
        tenant: &MemoryTenant,
        channel: &Arc<MemoryChannel>,
    ) {
        let removed = self.remove_member_locked(&mut lock(&self.members), tenant, channel);
        drop(removed);
    }

    fn remove_member_locked(
        self: &Arc<Self>,
        members: &mut GroupMembers,
        tenant: &MemoryTenant,
        channel: &Arc<MemoryChannel>,
    ) -> Option<GroupMember> {
        let member = members.by_channel.swap_remove(&pointer_address(channel))?;
        if let Some(expiry_key) = member.expiry_key {
            tenant.membership_expiry.cancel(expiry_key);
        }
        tenant.membership_counter.subtract(1);
        channel.lock_state().groups.remove(&pointer_address(self));
        Some(member)
    }

    /// Ends an expired membership, or renews it while a mailbox of the channel is open.
    pub(super) fn expire_member(
        self: &Arc<Self>,
        tenant: &MemoryTenant,
        now: Instant,
        channel: &Arc<MemoryChannel>,
        expiry_key: DeadlineKey,
    ) {
        let mut members = lock(&self.members);
        let Some(member) = members.by_channel.get_mut(&pointer_address(channel)) else { return };
        if member.expiry_key != Some(expiry_key) {
            return;
        }
        if channel.lock_state().has_reader() {
            member.expiry_key = self.schedule_expiry(tenant, now, channel);
            return;
        }
        let removed = self.remove_member_locked(&mut members, tenant, channel);
        drop(members);
        drop(removed);
    }

    /// Returns the number of members.
    pub(super) fn member_count(&self) -> usize {
        lock(&self.members).by_channel.len()
    }

    /// Sends a delivery to every member. Returns the number of members that were full.
    pub(super) fn deliver(&self, tenant: &MemoryTenant, now: Instant, delivery: &Delivery) -> u64 {
        let mut wakers = Vec::new();
        let mut dropped = 0;
        let members = lock(&self.members);
        for member in members.by_channel.values() {
            match member.channel.try_push(tenant, now, delivery.clone()) {
                Ok(waker) => wakers.extend(waker),
                Err(ChannelError::Layer(_)) => dropped += 1,
                Err(ChannelError::Removed(_)) => {}
            }
        }
        drop(members);
        wakers.into_iter().for_each(deferred_wake::wake_or_defer);
        dropped
    }

    /// Marks the group as removed if it has no members. Returns whether it is removed.
    pub(super) fn mark_removed_if_empty(&self) -> bool {
        let mut members = lock(&self.members);
        members.is_removed |= members.by_channel.is_empty();
        members.is_removed
    }

    /// Removes the group with all its memberships.
    pub(super) fn remove_all_members(self: &Arc<Self>, tenant: &MemoryTenant) {
        let mut members = lock(&self.members);
        members.is_removed = true;
        let by_channel = mem::take(&mut members.by_channel);
        for member in by_channel.values() {
            if let Some(expiry_key) = member.expiry_key {
                tenant.membership_expiry.cancel(expiry_key);
            }
            tenant.membership_counter.subtract(1);
            member.channel.lock_state().groups.remove(&pointer_address(self));
        }
        drop(members);
    }
}

/// Counts one more membership of a channel that is in `group_count` groups.
fn reserve_membership(
    tenant: &MemoryTenant,
    group_count: usize,
    channel: &MemoryChannel,
) -> Result<(), LayerError> {
    let limit = tenant.limits.groups_per_channel;
    if group_count >= limit {
        return Err(LayerError::TooManyGroups { channel: channel.channel_name().clone(), limit });
    }
    if tenant.membership_counter.try_add(1) {
        Ok(())
    } else {
        Err(LayerError::TooManyMemberships { limit: tenant.membership_counter.limit() })
    }
}

impl HasName for MemoryGroup {
    fn name(&self) -> &str {
        self.name.as_str()
    }
}
