//! The limits of a layer.

use std::time::Duration;

use super::{CapacityPatterns, LayerError};

/// The bytes that each unread delivery counts beside its payload. They are about what the channel and the queue for one
/// small message cost.
pub const UNREAD_OVERHEAD_BYTES: usize = 512;

/// The limits of a layer on sizes, times and memberships. Everything in a layer is bounded.
#[derive(Clone, Debug)]
pub struct LayerLimits {
    /// The capacity in deliveries of a channel that no pattern matches. `capacity` in Django Channels.
    pub capacity: usize,
    /// The capacities of channels that a pattern matches. `channel_capacity` in Django Channels.
    pub channel_capacity: CapacityPatterns,
    /// The lifetime of a delivery in a queue. `expiry` in Django Channels.
    pub expiry: Duration,
    /// The lifetime of a membership that no open mailbox here renews. `group_expiry` in Django Channels.
    pub group_expiry: Duration,
    /// The largest message or frame in bytes. Django Channels requires at least 1 MB.
    pub message_bytes: usize,
    /// The bytes of payload that may wait in one channel. An empty channel accepts a single larger delivery.
    pub mailbox_bytes: usize,
    /// The bytes that may wait in all channels of a tenant that have no reader. Each delivery counts
    /// [`UNREAD_OVERHEAD_BYTES`] more. The unread deliveries of a reader that leaves may exceed the limit; then the
    /// tenant accepts no more until enough of them expire.
    pub unread_bytes: usize,
    /// The number of groups that one channel may be in.
    pub groups_per_channel: usize,
    /// The number of memberships of a tenant, one for each channel in each group.
    pub memberships: usize,
}

impl Default for LayerLimits {
    fn default() -> Self {
        Self {
            capacity: 100,
            channel_capacity: CapacityPatterns::default(),
            expiry: Duration::from_secs(60),
            group_expiry: Duration::from_secs(86_400),
            message_bytes: 1 << 20,
            mailbox_bytes: 1 << 20,
            unread_bytes: 64 << 20,
            groups_per_channel: 1_000,
            memberships: 1_000_000,
        }
    }
}

impl LayerLimits {
    /// Returns the capacity in deliveries of the channel of this name.
    #[must_use]
    pub fn capacity_of(&self, channel: &str) -> usize {
        self.channel_capacity.first_match(channel).unwrap_or(self.capacity)
    }

    /// Checks the size of a message or frame against [`message_bytes`](Self::message_bytes).
    pub(crate) fn check_len(&self, len: usize) -> Result<(), LayerError> {
        let limit = self.message_bytes;
        if len > limit { Err(LayerError::TooLarge { len, limit }) } else { Ok(()) }
    }
}
