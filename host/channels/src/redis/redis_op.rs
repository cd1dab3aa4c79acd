//! The operations of the layer over Redis.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::redis_tenant::RedisTenant;
use crate::redis_common::{BarrierSender, LeaseRequest, OperationKind, QueueOperation};
use crate::{Delivery, LayerError};
use narrowboat_core::name::{ChannelName, GroupName, Tenant};

/// One operation of the layer.
pub(super) enum RedisOp {
    ChangeMembership(MembershipChange),
    PutMessage(KeyMessage),
    GroupSend(GroupSend),
    AcquireLease(LeaseRequest),
    /// Ends a reader's blocking wait on a connection.
    Unblock {
        shard: usize,
        connection_id: i64,
    },
    /// Completes when the operations before it are done.
    Barrier(BarrierSender),
}

/// The begin or end of a membership.
pub(super) struct MembershipChange {
    pub(super) tenant: Arc<RedisTenant>,
    pub(super) group: GroupName,
    pub(super) channel: ChannelName,
    pub(super) is_add: bool,
    /// Whether the process knows the membership for its whole lifetime: the channel is open here and ends with its
    /// mailbox.
    pub(super) is_own: bool,
}

/// A message for one key.
pub(super) struct KeyMessage {
    pub(super) shard: usize,
    pub(super) key: String,
    pub(super) sent_at: Instant,
    /// The score that the message had in the key, if it was read from there.
    pub(super) score: Option<f64>,
    /// The number of messages that the key may hold.
    pub(super) capacity: usize,
    pub(super) wire: Vec<u8>,
    /// The number of channels that the message is for.
    pub(super) receiver_count: u64,
    /// The sender of the result, and the channel to name in an error.
    pub(super) reply: Option<(ChannelName, oneshot::Sender<Result<(), LayerError>>)>,
}

/// A message or frame for a group.
pub(super) struct GroupSend {
    pub(super) tenant: Arc<RedisTenant>,
    pub(super) group: GroupName,
    pub(super) delivery: Delivery,
    pub(super) sent_at: Instant,
}

impl QueueOperation for RedisOp {
    type Key = (Tenant, GroupName, ChannelName);

    fn key(&self) -> Option<Self::Key> {
        let Self::ChangeMembership(MembershipChange { tenant, group, channel, .. }) = self else {
            return None;
        };
        Some((tenant.name.clone(), group.clone(), channel.clone()))
    }

    fn is_restorable(&self) -> bool {
        matches!(self, Self::ChangeMembership(MembershipChange { is_add: true, is_own: true, .. }))
    }

    fn payload_bytes(&self) -> usize {
        match self {
            Self::PutMessage(message) => message.wire.len(),
            Self::GroupSend(send) => send.delivery.len(),
            Self::ChangeMembership(_)
            | Self::AcquireLease(_)
            | Self::Unblock { .. }
            | Self::Barrier(_) => 0,
        }
    }

    fn sent_at(&self) -> Option<Instant> {
        match self {
            Self::PutMessage(KeyMessage { sent_at, .. })
            | Self::GroupSend(GroupSend { sent_at, .. }) => Some(*sent_at),
            Self::ChangeMembership(_)
            | Self::AcquireLease(_)
            | Self::Unblock { .. }
            | Self::Barrier(_) => None,
        }
    }

    fn kind(&self) -> OperationKind {
        match self {
            Self::PutMessage(_) | Self::GroupSend(_) => OperationKind::Message,
            Self::ChangeMembership(_) => OperationKind::Membership,
            Self::AcquireLease(_) | Self::Unblock { .. } | Self::Barrier(_) => OperationKind::Other,
        }
    }

    fn from_barrier(barrier: BarrierSender) -> Self {
        Self::Barrier(barrier)
    }

    fn from_lease_request(request: LeaseRequest) -> Self {
        Self::AcquireLease(request)
    }
}
