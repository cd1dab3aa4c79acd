//! What is asked of Redis.

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::layer::LayerError;
use crate::layer::redis::queue::{Confirmation, Kind, Operation};

/// One thing to be done, in the order it was asked for.
pub(super) enum Op {
    Listen(Topic),
    Publish(Publish),
    /// A turn to be taken: shard, key and how long it is, in milliseconds.
    Claim(usize, String, u64, oneshot::Sender<Result<bool, LayerError>>),
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
            Self::Listen(_) | Self::Claim(..) | Self::Confirm(_) => 0,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Publish(_) => Kind::Message,
            Self::Listen(_) => Kind::Membership,
            Self::Claim(..) | Self::Confirm(_) => Kind::Other,
        }
    }

    fn confirm(told: Confirmation) -> Self {
        Self::Confirm(told)
    }
}
