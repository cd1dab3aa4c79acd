//! Messages between two round trips.

use super::redis_op::{KeyMessage, RedisOp};

/// Messages between two round trips.
#[derive(Default)]
pub(super) struct PipelineBacklog {
    /// Messages whose keys are known.
    pub(super) ready_messages: Vec<KeyMessage>,
    /// Operations to repeat before any other.
    pub(super) retries: Vec<RedisOp>,
}

impl PipelineBacklog {
    pub(super) fn is_empty(&self) -> bool {
        self.ready_messages.is_empty() && self.retries.is_empty()
    }

    pub(super) fn message_count(&self) -> u64 {
        (self.ready_messages.len() + self.retries.len()) as u64
    }
}
