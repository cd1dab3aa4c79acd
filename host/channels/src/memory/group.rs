//! One group and its members.

use std::hash::{BuildHasherDefault, DefaultHasher};
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indexmap::IndexMap;
use tokio::time::Instant;

use super::channel::{Channel, Refusal};
use super::deadlines::{Due, after};
use super::lock;
use super::shards::Named;
use super::world::World;
use crate::{Delivery, LayerError};
use narrowboat_core::name::GroupName;
use narrowboat_core::waking;

pub(super) struct Group {
    name: GroupName,
    members: Mutex<Members>,
}

/// Members by their channel's address. Dense, so that a send walks an array; in the order of their adding, except that
/// the last takes the place of one that left.
#[derive(Default)]
struct Members {
    by_channel: IndexMap<usize, Member, BuildHasherDefault<DefaultHasher>>,
    /// Nobody finds the group any more; who still holds it has to look again.
    ended: bool,
}

struct Member {
    channel: Arc<Channel>,
    /// When the membership expires, unless its channel ends first.
    due: Option<Due>,
}

/// The shortest life of a membership, so that one which is renewed lies ahead again.
const SHORTEST: Duration = Duration::from_millis(1);

/// What became of an attempt to add a member.
pub(super) enum Added {
    Done,
    GroupEnded,
    ChannelEnded,
}

fn address<T>(thing: &Arc<T>) -> usize {
    Arc::as_ptr(thing).addr()
}

impl Group {
    pub(super) fn new(name: GroupName) -> Self {
        Self { name, members: Mutex::default() }
    }

    /// Adds a member, or renews its membership. Both locks are held, so that a channel that ends either sees the group
    /// among its own or is seen to have ended.
    pub(super) fn add(
        self: &Arc<Self>,
        world: &World,
        now: Instant,
        channel: &Arc<Channel>,
    ) -> Result<Added, LayerError> {
        let mut members = lock(&self.members);
        if members.ended {
            return Ok(Added::GroupEnded);
        }
        let mut state = channel.state();
        if state.has_ended() {
            return Ok(Added::ChannelEnded);
        }
        let key = address(channel);
        if !members.by_channel.contains_key(&key) {
            check_limits(world, state.groups.len(), channel)?;
            state.groups.insert(address(self), Arc::downgrade(self));
        }
        let due = self.deadline(world, now, channel);
        let member = Member { channel: Arc::clone(channel), due };
        let before = members.by_channel.insert(key, member);
        if let Some(due) = before.and_then(|member| member.due) {
            world.expiring.cancel(due);
        }
        Ok(Added::Done)
    }

    /// A unique channel ends with its mailbox and takes its memberships along, so they need no deadline: one would
    /// only drop a socket out of its groups after a day, as theirs does. Other names need one, since nothing tells
    /// that their reader will never come back.
    fn deadline(
        self: &Arc<Self>,
        world: &World,
        now: Instant,
        channel: &Arc<Channel>,
    ) -> Option<Due> {
        let expires = !channel.channel_name().is_unique();
        let at = after(now, world.limits.group_expiry.max(SHORTEST));
        expires.then(|| world.expiring.schedule(at, (Arc::clone(self), Arc::clone(channel))))
    }

    pub(super) fn remove(self: &Arc<Self>, world: &World, channel: &Arc<Channel>) {
        let removed = self.remove_locked(&mut lock(&self.members), world, channel);
        drop(removed);
    }

    fn remove_locked(
        self: &Arc<Self>,
        members: &mut Members,
        world: &World,
        channel: &Arc<Channel>,
    ) -> Option<Member> {
        let member = members.by_channel.swap_remove(&address(channel))?;
        if let Some(due) = member.due {
            world.expiring.cancel(due);
        }
        world.memberships.give_back(1);
        channel.state().groups.remove(&address(self));
        Some(member)
    }

    /// Ends the membership whose time has come, or renews it where a mailbox is open.
    pub(super) fn expire(
        self: &Arc<Self>,
        world: &World,
        now: Instant,
        channel: &Arc<Channel>,
        due: Due,
    ) {
        let mut members = lock(&self.members);
        let Some(member) = members.by_channel.get_mut(&address(channel)) else { return };
        if member.due != Some(due) {
            return;
        }
        if channel.state().is_read() {
            member.due = self.deadline(world, now, channel);
            return;
        }
        let removed = self.remove_locked(&mut members, world, channel);
        drop(members);
        drop(removed);
    }

    /// How many there are.
    pub(super) fn members(&self) -> usize {
        lock(&self.members).by_channel.len()
    }

    /// Gives every member the delivery and says how many had no room for it.
    pub(super) fn send(&self, world: &World, now: Instant, delivery: &Delivery) -> u64 {
        let mut wakers = Vec::new();
        let mut dropped = 0;
        let members = lock(&self.members);
        for member in members.by_channel.values() {
            match member.channel.offer(world, now, delivery.clone()) {
                Ok(waker) => wakers.extend(waker),
                Err(Refusal::Error(_)) => dropped += 1,
                Err(Refusal::Ended(_)) => {}
            }
        }
        drop(members);
        wakers.into_iter().for_each(waking::wake);
        dropped
    }

    /// Ends a group without members.
    pub(super) fn end_if_empty(&self) -> bool {
        let mut members = lock(&self.members);
        members.ended |= members.by_channel.is_empty();
        members.ended
    }

    /// Ends the group with all its memberships.
    pub(super) fn end(self: &Arc<Self>, world: &World) {
        let mut members = lock(&self.members);
        members.ended = true;
        let by_channel = mem::take(&mut members.by_channel);
        for member in by_channel.values() {
            if let Some(due) = member.due {
                world.expiring.cancel(due);
            }
            world.memberships.give_back(1);
            member.channel.state().groups.remove(&address(self));
        }
        drop(members);
    }
}

fn check_limits(world: &World, groups: usize, channel: &Channel) -> Result<(), LayerError> {
    let limit = world.limits.groups_per_channel;
    if groups >= limit {
        return Err(LayerError::TooManyGroups { channel: channel.channel_name().clone(), limit });
    }
    if world.memberships.take(1) {
        Ok(())
    } else {
        Err(LayerError::TooManyMemberships { limit: world.memberships.limit() })
    }
}

impl Named for Group {
    fn name(&self) -> &str {
        self.name.as_str()
    }
}
