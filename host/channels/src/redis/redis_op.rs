//! What is asked of Redis.

use std::sync::Arc;

use redis::Cmd;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::operation_queue::{BarrierSender, LeaseRequest, OperationKind, QueueOperation};
use super::{RedisLayerCore, RedisTenant};
use crate::{Delivery, LayerError};
use narrowboat_core::name::{ChannelName, GroupName, Tenant};

/// One thing to be done, in the order it was asked for.
pub(super) enum RedisOp {
    ChangeMembership(MembershipChange),
    PutMessage(KeyMessage),
    GroupSend(GroupSend),
    AcquireLease(LeaseRequest),
    /// A reader that waits is to wait no longer: shard and the number Redis gave its connection.
    Unblock(usize, i64),
    /// To be told once what was before is done.
    Barrier(BarrierSender),
}

/// A membership to begin or to end.
pub(super) struct MembershipChange {
    pub(super) tenant: Arc<RedisTenant>,
    pub(super) group: GroupName,
    pub(super) channel: ChannelName,
    pub(super) is_add: bool,
    /// Whether it is known here for as long as it lasts: that of a channel which ends with its mailbox, and is open.
    pub(super) is_own: bool,
}

impl MembershipChange {
    /// What writes it. One of a channel that left meanwhile is not begun: what ended it comes later, or came before.
    pub(super) fn redis_commands(&self, core: &RedisLayerCore) -> Vec<Cmd> {
        let Self { tenant: world, group, channel, is_add: begins, is_own } = self;
        let key = world.keys.group_key(group);
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
pub(super) struct KeyMessage {
    pub(super) shard: usize,
    pub(super) key: String,
    /// When it was sent.
    pub(super) at: Instant,
    /// Where it stood in the key before, if it was taken out of it.
    pub(super) score: Option<f64>,
    pub(super) capacity: usize,
    pub(super) wire: Vec<u8>,
    /// How many channels it is for.
    pub(super) receiver_count: u64,
    /// Whoever waits to hear of it, and the channel to name.
    pub(super) reply: Option<(ChannelName, oneshot::Sender<Result<(), LayerError>>)>,
}

/// A message or frame for a group.
pub(super) struct GroupSend {
    pub(super) tenant: Arc<RedisTenant>,
    pub(super) group: GroupName,
    pub(super) delivery: Delivery,
    /// When it was sent.
    pub(super) at: Instant,
}

impl QueueOperation for RedisOp {
    type Key = (Tenant, GroupName, ChannelName);

    fn key(&self) -> Option<Self::Key> {
        let Self::ChangeMembership(MembershipChange { tenant: world, group, channel, .. }) = self
        else {
            return None;
        };
        Some((world.tenant.clone(), group.clone(), channel.clone()))
    }

    fn is_restorable(&self) -> bool {
        matches!(self, Self::ChangeMembership(MembershipChange { is_add: true, is_own: true, .. }))
    }

    fn payload_bytes(&self) -> usize {
        match self {
            Self::PutMessage(put) => put.wire.len(),
            Self::GroupSend(send) => send.delivery.len(),
            Self::ChangeMembership(_)
            | Self::AcquireLease(_)
            | Self::Unblock(..)
            | Self::Barrier(_) => 0,
        }
    }

    fn sent_at(&self) -> Option<Instant> {
        match self {
            Self::PutMessage(KeyMessage { at, .. }) | Self::GroupSend(GroupSend { at, .. }) => {
                Some(*at)
            }
            Self::ChangeMembership(_)
            | Self::AcquireLease(_)
            | Self::Unblock(..)
            | Self::Barrier(_) => None,
        }
    }

    fn kind(&self) -> OperationKind {
        match self {
            Self::PutMessage(_) | Self::GroupSend(_) => OperationKind::Message,
            Self::ChangeMembership(_) => OperationKind::Membership,
            Self::AcquireLease(_) | Self::Unblock(..) | Self::Barrier(_) => OperationKind::Other,
        }
    }

    fn from_barrier(told: BarrierSender) -> Self {
        Self::Barrier(told)
    }

    fn claim(claim: LeaseRequest) -> Self {
        Self::AcquireLease(claim)
    }
}
