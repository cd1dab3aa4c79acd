//! The operations of the publish/subscribe layer.

use std::sync::Arc;

use tokio::time::Instant;

use super::pubsub_tenant::PubSubTenant;
use crate::redis_common::{BarrierSender, LeaseRequest, OperationKind, QueueOperation};
use narrowboat_core::name::{ChannelName, GroupName};

/// One operation of the layer.
pub(super) enum PubSubOp {
    UpdateSubscription(TopicSubscription),
    Publish(PublishedMessage),
    AcquireLease(LeaseRequest),
    /// Completes when the operations before it are done.
    Barrier(BarrierSender),
}

/// An update of the subscription to a topic. Whether to subscribe is decided when the update is carried out, by the
/// state of the subject then. So the subscription is right in the end, though several threads open and close channels
/// meanwhile.
pub(super) struct TopicSubscription {
    pub(super) tenant: Arc<PubSubTenant>,
    pub(super) shard: usize,
    pub(super) name: String,
    pub(super) subject: TopicSubject,
}

/// The subject of a topic.
pub(super) enum TopicSubject {
    /// The channels that this process created. The topic is a pattern, which ends in `*`.
    OwnChannels,
    Channel(ChannelName),
    Group(GroupName),
}

impl TopicSubscription {
    /// Whether the process needs the subscription now.
    pub(super) fn is_wanted(&self) -> bool {
        let local = &self.tenant.local;
        match &self.subject {
            TopicSubject::OwnChannels => true,
            TopicSubject::Channel(name) => local.find_channel(name.as_str()).is_some(),
            TopicSubject::Group(group) => local.has_group(group.as_str()),
        }
    }
}

/// A message or frame to publish.
pub(super) struct PublishedMessage {
    pub(super) shard: usize,
    pub(super) topic: String,
    pub(super) wire: Vec<u8>,
    pub(super) sent_at: Instant,
}

impl QueueOperation for PubSubOp {
    type Key = (usize, String);

    fn key(&self) -> Option<Self::Key> {
        let Self::UpdateSubscription(topic) = self else { return None };
        Some((topic.shard, topic.name.clone()))
    }

    fn is_restorable(&self) -> bool {
        matches!(self, Self::UpdateSubscription(_))
    }

    fn payload_bytes(&self) -> usize {
        match self {
            Self::Publish(message) => message.wire.len(),
            Self::UpdateSubscription(_) | Self::AcquireLease(_) | Self::Barrier(_) => 0,
        }
    }

    fn sent_at(&self) -> Option<Instant> {
        match self {
            Self::Publish(message) => Some(message.sent_at),
            Self::UpdateSubscription(_) | Self::AcquireLease(_) | Self::Barrier(_) => None,
        }
    }

    fn kind(&self) -> OperationKind {
        match self {
            Self::Publish(_) => OperationKind::Message,
            Self::UpdateSubscription(_) => OperationKind::Membership,
            Self::AcquireLease(_) | Self::Barrier(_) => OperationKind::Other,
        }
    }

    fn from_barrier(barrier: BarrierSender) -> Self {
        Self::Barrier(barrier)
    }

    fn from_lease_request(request: LeaseRequest) -> Self {
        Self::AcquireLease(request)
    }
}
