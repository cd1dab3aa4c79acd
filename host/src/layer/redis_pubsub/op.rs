//! What is asked of Redis.

use tokio::time::Instant;

use crate::layer::redis::queue::{Claim, Confirmation, Kind, Operation};

/// One thing to be done, in the order it was asked for.
pub(super) enum Op {
    Listen(Topic),
    Publish(Publish),
    Claim(Claim),
    /// To be told once what was before is done.
    Confirm(Confirmation),
}

/// A topic to listen to, or not any more. One that ends in `*` is a pattern.
pub(super) struct Topic {
    pub(super) shard: usize,
    pub(super) name: String,
    pub(super) begins: bool,
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
    fn bytes(&self) -> usize {
        match self {
            Self::Publish(publish) => publish.wire.len(),
            Self::Listen(_) | Self::Claim(_) | Self::Confirm(_) => 0,
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
