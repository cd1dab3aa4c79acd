//! Errors of a channel layer.

use narrowboat_core::message::MessageError;
use narrowboat_core::name::{ChannelName, NameError};

/// An error of a channel layer. The variants up to `Unserializable` are cases of `layer-error` in the WIT interface;
/// the others are `other` there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayerError {
    /// The channel has reached its capacity in messages or bytes.
    #[error("channel {channel} is full")]
    ChannelFull {
        /// The channel.
        channel: ChannelName,
    },
    /// A channel or group name is invalid.
    #[error(transparent)]
    InvalidName(#[from] NameError),
    /// The bytes are not a message.
    #[error(transparent)]
    InvalidMessage(#[from] MessageError),
    /// The message or frame is larger than [`LayerLimits::message_bytes`](super::LayerLimits::message_bytes).
    #[error("the message has {len} bytes, more than the limit of {limit}")]
    TooLarge {
        /// The size of the payload in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The operation is not permitted. Only the publish/subscribe layer returns this.
    #[error("denied: {reason}")]
    Denied {
        /// Why it is not permitted.
        reason: String,
    },
    /// The backend is unreachable, or did not reply in time. The memory layer never returns this.
    #[error("the channel layer is unavailable: {reason}")]
    Unavailable {
        /// The failed operation.
        reason: String,
    },
    /// The serializer cannot represent the message, such as bytes in JSON. The memory layer never returns this.
    #[error("the message cannot be serialized: {reason}")]
    Unserializable {
        /// The part that the serializer cannot represent.
        reason: String,
    },
    /// Another mailbox of that channel is open.
    #[error("channel {channel} already has a reader")]
    ChannelBusy {
        /// The channel.
        channel: ChannelName,
    },
    /// The tenant's messages in channels without a reader fill
    /// [`LayerLimits::unread_bytes`](super::LayerLimits::unread_bytes).
    #[error("channel {channel} has no reader, and unread messages fill the limit of {limit} bytes")]
    UnreadFull {
        /// The recipient.
        channel: ChannelName,
        /// The limit in bytes.
        limit: usize,
    },
    /// The channel is already in [`LayerLimits::groups_per_channel`](super::LayerLimits::groups_per_channel) groups.
    #[error("channel {channel} is already in {limit} groups, the limit")]
    TooManyGroups {
        /// The channel.
        channel: ChannelName,
        /// The limit.
        limit: usize,
    },
    /// The tenant already has [`LayerLimits::memberships`](super::LayerLimits::memberships) memberships.
    #[error("the tenant already has {limit} group memberships, the limit")]
    TooManyMemberships {
        /// The limit.
        limit: usize,
    },
}
