//! The bounds of a layer.

use std::time::Duration;

use super::CapacityPatterns;

/// What one layer lets wait, for how long, and how many may belong where. Nothing in a layer is without a bound.
#[derive(Clone, Debug)]
pub struct LayerLimits {
    /// How many deliveries wait in a channel that no pattern names. Channels: `capacity`.
    pub capacity: usize,
    /// How many wait in the channels that a pattern names. Channels: `channel_capacity`.
    pub channel_capacity: CapacityPatterns,
    /// How long a delivery waits before it is forgotten. Channels: `expiry`.
    pub expiry: Duration,
    /// How long a membership lasts that no open mailbox here renews. Channels: `group_expiry`.
    pub group_expiry: Duration,
    /// The largest message or frame, in bytes. Channels asks that 1 MB passes.
    pub message_bytes: usize,
    /// How many bytes of payload wait in one channel; a single delivery that is larger is taken when nothing waits.
    pub mailbox_bytes: usize,
    /// How many bytes wait in all channels of a tenant that nobody reads, each delivery with
    /// [`UNREAD_OVERHEAD_BYTES`](super::UNREAD_OVERHEAD_BYTES) added. What a leaving reader leaves behind may pass the bound; then
    /// nothing more is taken until enough expired.
    pub unread_bytes: usize,
    /// How many groups one channel may be in.
    pub groups_per_channel: usize,
    /// How many memberships a tenant may have, one for each channel in each group.
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
    /// How many deliveries may wait in the channel of this name.
    #[must_use]
    pub fn capacity_of(&self, channel: &str) -> usize {
        self.channel_capacity.first_match(channel).unwrap_or(self.capacity)
    }
}
