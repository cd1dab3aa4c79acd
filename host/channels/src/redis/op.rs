//! What is asked of Redis.

use std::sync::Arc;

use redis::Cmd;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::queue::{Claim, Confirmation, Kind, Operation};
use super::{Core, World};
use crate::{Delivery, LayerError};
use narrowboat_core::name::{ChannelName, GroupName, Tenant};

/// One thing to be done, in the order it was asked for.
pub(super) enum Op {
    Membership(Membership),
    Put(Put),
    GroupSend(GroupSend),
    Claim(Claim),
    /// A reader that waits is to wait no longer: shard and the number Redis gave its connection.
    Unblock(usize, i64),
    /// To be told once what was before is done.
    Confirm(Confirmation),
}

/// A membership to begin or to end.
pub(super) struct Membership {
    pub(super) world: Arc<World>,
    pub(super) group: GroupName,
    pub(super) channel: ChannelName,
    pub(super) begins: bool,
    /// Whether it is known here for as long as it lasts: that of a channel which ends with its mailbox, and is open.
    pub(super) is_own: bool,
}

impl Membership {
    /// What writes it. One of a channel that left meanwhile is not begun: what ended it comes later, or came before.
    pub(super) fn commands(&self, core: &Core) -> Vec<Cmd> {
        let Self { world, group, channel, begins, is_own } = self;
        let key = world.keys.group(group);
        if !begins {
            let mut end = redis::cmd("ZREM");
            end.arg(key).arg(channel.as_str());
            return vec![end];
        }
        if *is_own && !world.local.is_member(group, channel) {
            return Vec::new();
        }
        let (mut begin, mut expire) = (redis::cmd("ZADD"), redis::cmd("EXPIRE"));
        begin.arg(&key).arg(core.clock.now()).arg(channel.as_str());
        expire.arg(key).arg(core.group_seconds());
        vec![begin, expire]
    }
}

/// A message for one key.
pub(super) struct Put {
    pub(super) shard: usize,
    pub(super) key: String,
    /// When it was sent.
    pub(super) at: Instant,
    /// Where it stood in the key before, if it was taken out of it.
    pub(super) score: Option<f64>,
    pub(super) capacity: usize,
    pub(super) wire: Vec<u8>,
    /// How many channels it is for.
    pub(super) receivers: u64,
    /// Whoever waits to hear of it, and the channel to name.
    pub(super) reply: Option<(ChannelName, oneshot::Sender<Result<(), LayerError>>)>,
}

/// A message or frame for a group.
pub(super) struct GroupSend {
    pub(super) world: Arc<World>,
    pub(super) group: GroupName,
    pub(super) delivery: Delivery,
    /// When it was sent.
    pub(super) at: Instant,
}

impl Operation for Op {
    type Key = (Tenant, GroupName, ChannelName);

    fn key(&self) -> Option<Self::Key> {
        let Self::Membership(Membership { world, group, channel, .. }) = self else { return None };
        Some((world.tenant.clone(), group.clone(), channel.clone()))
    }

    fn is_restored(&self) -> bool {
        matches!(self, Self::Membership(Membership { begins: true, is_own: true, .. }))
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Put(put) => put.wire.len(),
            Self::GroupSend(send) => send.delivery.len(),
            Self::Membership(_) | Self::Claim(_) | Self::Unblock(..) | Self::Confirm(_) => 0,
        }
    }

    fn sent_at(&self) -> Option<Instant> {
        match self {
            Self::Put(Put { at, .. }) | Self::GroupSend(GroupSend { at, .. }) => Some(*at),
            Self::Membership(_) | Self::Claim(_) | Self::Unblock(..) | Self::Confirm(_) => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Put(_) | Self::GroupSend(_) => Kind::Message,
            Self::Membership(_) => Kind::Membership,
            Self::Claim(_) | Self::Unblock(..) | Self::Confirm(_) => Kind::Other,
        }
    }

    fn confirm(told: Confirmation) -> Self {
        Self::Confirm(told)
    }

    fn claim(claim: Claim) -> Self {
        Self::Claim(claim)
    }
}
