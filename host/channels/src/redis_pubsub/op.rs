//! What is asked of Redis.

use std::sync::Arc;

use tokio::time::Instant;

use super::World;
use crate::redis::queue::{Claim, Confirmation, Kind, Operation};
use narrowboat_core::name::{ChannelName, GroupName};

/// One thing to be done, in the order it was asked for.
pub(super) enum Op {
    Listen(Topic),
    Publish(Publish),
    Claim(Claim),
    /// To be told once what was before is done.
    Confirm(Confirmation),
}

/// A topic that is to be listened to, or not any more, whichever its subject says when its turn has come. So it is right
/// in the end though members come and go meanwhile, on several threads.
pub(super) struct Topic {
    pub(super) world: Arc<World>,
    pub(super) shard: usize,
    pub(super) name: String,
    pub(super) subject: Subject,
}

/// What a topic is for.
pub(super) enum Subject {
    /// The channels that this process made; the topic is a pattern, which ends in `*`.
    OwnChannels,
    Channel(ChannelName),
    Group(GroupName),
}

impl Topic {
    /// Whether it is to be listened to now.
    pub(super) fn is_wanted(&self) -> bool {
        let local = &self.world.local;
        match &self.subject {
            Subject::OwnChannels => true,
            Subject::Channel(name) => local.find(name.as_str()).is_some(),
            Subject::Group(group) => local.has_group(group.as_str()),
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

impl Operation for Op {
    type Key = (usize, String);

    fn key(&self) -> Option<Self::Key> {
        let Self::Listen(topic) = self else { return None };
        Some((topic.shard, topic.name.clone()))
    }

    fn is_restored(&self) -> bool {
        matches!(self, Self::Listen(_))
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Publish(publish) => publish.wire.len(),
            Self::Listen(_) | Self::Claim(_) | Self::Confirm(_) => 0,
        }
    }

    fn sent_at(&self) -> Option<Instant> {
        match self {
            Self::Publish(publish) => Some(publish.at),
            Self::Listen(_) | Self::Claim(_) | Self::Confirm(_) => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Publish(_) => Kind::Message,
            Self::Listen(_) => Kind::Membership,
            Self::Claim(_) | Self::Confirm(_) => Kind::Other,
        }
    }

    fn confirm(told: Confirmation) -> Self {
        Self::Confirm(told)
    }

    fn claim(claim: Claim) -> Self {
        Self::Claim(claim)
    }
}
