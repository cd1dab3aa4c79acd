//! What is asked of Redis.

use std::sync::Arc;

use tokio::time::Instant;

use super::PubSubTenant;
use crate::redis::operation_queue::{BarrierSender, LeaseRequest, OperationKind, QueueOperation};
use narrowboat_core::name::{ChannelName, GroupName};

/// One thing to be done, in the order it was asked for.
pub(super) enum Op {
    UpdateSubscription(TopicSubscription),
    Publish(Publish),
    AcquireLease(LeaseRequest),
    /// To be told once what was before is done.
    Barrier(BarrierSender),
}

/// A topic that is to be listened to, or not any more, whichever its subject says when its turn has come. So it is right
/// in the end though members come and go meanwhile, on several threads.
pub(super) struct TopicSubscription {
    pub(super) tenant: Arc<PubSubTenant>,
    pub(super) shard: usize,
    pub(super) name: String,
    pub(super) subject: TopicSubject,
}

/// What a topic is for.
pub(super) enum TopicSubject {
    /// The channels that this process made; the topic is a pattern, which ends in `*`.
    OwnChannels,
    Channel(ChannelName),
    Group(GroupName),
}

impl TopicSubscription {
    /// Whether it is to be listened to now.
    pub(super) fn is_wanted(&self) -> bool {
        let local = &self.tenant.local;
        match &self.subject {
            TopicSubject::OwnChannels => true,
            TopicSubject::Channel(name) => local.find_channel(name.as_str()).is_some(),
            TopicSubject::Group(group) => local.has_group(group.as_str()),
        }
    }
}

/// Something to be published.
pub(super) struct Publish {
    pub(super) shard: usize,
    pub(super) topic: String,
    pub(super) wire: Vec<u8>,
    /// When it was sent.
    pub(super) at: Instant,
}

impl QueueOperation for Op {
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
            Self::Publish(publish) => publish.wire.len(),
            Self::UpdateSubscription(_) | Self::AcquireLease(_) | Self::Barrier(_) => 0,
        }
    }

    fn sent_at(&self) -> Option<Instant> {
        match self {
            Self::Publish(publish) => Some(publish.at),
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

    fn from_barrier(told: BarrierSender) -> Self {
        Self::Barrier(told)
    }

    fn claim(claim: LeaseRequest) -> Self {
        Self::AcquireLease(claim)
    }
}
