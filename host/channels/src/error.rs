//! What a layer refuses.

use narrowboat_core::message::MessageError;
use narrowboat_core::name::{ChannelName, NameError};

/// Why the layer did not do what it was asked. The first six are the cases of `layer-error` in the contract; the bounds
/// after them are `other` there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayerError {
    /// The channel holds as many messages, or bytes, as it may.
    #[error("channel {channel} is full")]
    ChannelFull {
        /// The channel.
        channel: ChannelName,
    },
    /// A name breaks the rule.
    #[error(transparent)]
    InvalidName(#[from] NameError),
    /// The bytes are not a message.
    #[error(transparent)]
    InvalidMessage(#[from] MessageError),
    /// The message or frame is larger than [`LayerLimits::message_bytes`](super::LayerLimits::message_bytes).
    #[error("{len} bytes are more than the {limit} that the layer takes at once")]
    TooLarge {
        /// The payload's bytes.
        len: usize,
        /// The most that are taken.
        limit: usize,
    },
    /// The tenant or plugin has no leave to do so. Of the layers only that by publish and subscribe says this.
    #[error("denied: {reason}")]
    Denied {
        /// What is missing.
        reason: String,
    },
    /// The backend cannot be reached, or did not answer in time. The memory layer never says this.
    #[error("the channel layer is unavailable: {reason}")]
    Unavailable {
        /// What failed.
        reason: String,
    },
    /// The backend cannot carry this message, as JSON cannot carry bytes. The memory layer never says this.
    #[error("the message cannot be written: {reason}")]
    Unserializable {
        /// What it has that cannot be written.
        reason: String,
    },
    /// A mailbox of that channel is open already.
    #[error("channel {channel} has a reader already")]
    ChannelBusy {
        /// The channel.
        channel: ChannelName,
    },
    /// The tenant's messages in channels that nobody reads fill
    /// [`LayerLimits::unread_bytes`](super::LayerLimits::unread_bytes).
    #[error("channel {channel} has no reader, and such channels hold {limit} bytes already")]
    UnreadFull {
        /// The channel sent to.
        channel: ChannelName,
        /// The bound in bytes.
        limit: usize,
    },
    /// The channel is in [`LayerLimits::groups_per_channel`](super::LayerLimits::groups_per_channel) groups.
    #[error("channel {channel} is in {limit} groups, which is the most")]
    TooManyGroups {
        /// The channel.
        channel: ChannelName,
        /// The bound.
        limit: usize,
    },
    /// The tenant has [`LayerLimits::memberships`](super::LayerLimits::memberships) memberships.
    #[error("the tenant has {limit} group memberships, which is the most")]
    TooManyMemberships {
        /// The bound.
        limit: usize,
    },
}
