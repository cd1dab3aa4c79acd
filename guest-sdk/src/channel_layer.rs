use std::fmt;

use serde::Serialize;

use crate::{frame::Frame, imports::channel_layer, message};

/// The channel layer: messages between consumers of any instance, host or Django process. In Django Channels:
/// `self.channel_layer`.
///
/// As with a [`Connection`](crate::Connection), all operations take effect in order when the consumer's method
/// returns. A message is any value that serde writes as a map with a string under `type`, such as a variant of the
/// consumer's [`Message`](crate::Consumer::Message) or a `serde_json::json!` object. Use the `serde_bytes` crate to
/// send bytes as bytes. Names follow the rules of Django Channels: fewer than 100 ASCII letters, digits, hyphens,
/// underscores and full stops. The name of a channel may also have one `!`.
///
/// The manifest has to request each group and each named channel; the host denies all others. Sending to the channel
/// of a connection ([`Connection::channel_name`](crate::Connection::channel_name)) needs no request.
#[derive(Clone, Copy, Debug)]
pub struct ChannelLayer;

impl ChannelLayer {
    /// The group that reports the state of the layer's backend. The host sends its members a message of type
    /// `layer.disconnected` when the backend becomes unavailable, and `layer.reconnected` when it is available again.
    /// The manifest has to request this group like any other.
    pub const EVENTS_GROUP: &'static str = "narrowboat.layer";

    /// Sends a message to one channel. In Django Channels: `channel_layer.send`.
    ///
    /// # Errors
    /// See [`ChannelLayerError`].
    pub fn send<M: Serialize + ?Sized>(
        channel: &str,
        message: &M,
    ) -> Result<(), ChannelLayerError> {
        Self::send_bytes(channel, &message::encode(message)?)
    }

    /// Sends a message that is already encoded as MessagePack to one channel.
    ///
    /// # Errors
    /// See [`ChannelLayerError`].
    pub fn send_bytes(channel: &str, message: &[u8]) -> Result<(), ChannelLayerError> {
        Ok(channel_layer::send(channel, message)?)
    }

    /// Adds a channel to a group. Does nothing if it is a member already. In Django Channels:
    /// `channel_layer.group_add`.
    ///
    /// # Errors
    /// See [`ChannelLayerError`].
    pub fn group_add(group: &str, channel: &str) -> Result<(), ChannelLayerError> {
        Ok(channel_layer::group_add(group, channel)?)
    }

    /// Removes a channel from a group. Does nothing if it is not a member. In Django Channels:
    /// `channel_layer.group_discard`.
    ///
    /// # Errors
    /// See [`ChannelLayerError`].
    pub fn group_discard(group: &str, channel: &str) -> Result<(), ChannelLayerError> {
        Ok(channel_layer::group_discard(group, channel)?)
    }

    /// Sends a message to every member of a group. Each member gets it in
    /// [`Consumer::handle`](crate::Consumer::handle). A member whose channel is full does not get it, and this is not
    /// an error. In Django Channels: `channel_layer.group_send`.
    ///
    /// # Errors
    /// See [`ChannelLayerError`].
    pub fn group_send<M: Serialize + ?Sized>(
        group: &str,
        message: &M,
    ) -> Result<(), ChannelLayerError> {
        Self::group_send_bytes(group, &message::encode(message)?)
    }

    /// Sends a message that is already encoded as MessagePack to every member of a group.
    ///
    /// # Errors
    /// See [`ChannelLayerError`].
    pub fn group_send_bytes(group: &str, message: &[u8]) -> Result<(), ChannelLayerError> {
        Ok(channel_layer::group_send(group, message)?)
    }

    /// Writes one frame to the socket of every member of a group, without running their consumers. A member gets the
    /// frames and messages of one sender in the order in which they were sent.
    ///
    /// # Errors
    /// See [`ChannelLayerError`].
    pub fn group_send_frame(group: &str, frame: impl Into<Frame>) -> Result<(), ChannelLayerError> {
        Ok(channel_layer::group_send_frame(group, &frame.into().into())?)
    }
}

/// Why the channel layer refused an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelLayerError {
    /// The number of messages waiting on the channel is at its limit. In Django Channels: `ChannelFull`.
    ChannelFull(String),
    /// The name is not a valid name of a channel or group.
    InvalidName(String),
    /// The message is not one MessagePack map with a string under `type`, or its type starts with an underscore.
    InvalidMessage(String),
    /// The message is larger than the limit, which is this many bytes.
    TooLarge(u64),
    /// The plugin's manifest does not request this group or channel.
    Denied(String),
    /// The layer's backend, such as Redis, does not respond.
    Unavailable(String),
    /// Another error, described by this text.
    Other(String),
}

impl fmt::Display for ChannelLayerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChannelFull(reason) => write!(formatter, "channel is full: {reason}"),
            Self::InvalidName(reason) => write!(formatter, "invalid name: {reason}"),
            Self::InvalidMessage(reason) => write!(formatter, "invalid message: {reason}"),
            Self::TooLarge(limit) => write!(formatter, "the message is larger than {limit} bytes"),
            Self::Denied(reason) => write!(formatter, "denied: {reason}"),
            Self::Unavailable(reason) => {
                write!(formatter, "the channel layer is unavailable: {reason}")
            }
            Self::Other(reason) => formatter.write_str(reason),
        }
    }
}

impl std::error::Error for ChannelLayerError {}

impl From<channel_layer::LayerError> for ChannelLayerError {
    fn from(error: channel_layer::LayerError) -> Self {
        match error {
            channel_layer::LayerError::ChannelFull(reason) => Self::ChannelFull(reason),
            channel_layer::LayerError::InvalidName(reason) => Self::InvalidName(reason),
            channel_layer::LayerError::InvalidMessage(reason) => Self::InvalidMessage(reason),
            channel_layer::LayerError::TooLarge(limit) => Self::TooLarge(limit),
            channel_layer::LayerError::Denied(reason) => Self::Denied(reason),
            channel_layer::LayerError::Unavailable(reason) => Self::Unavailable(reason),
            channel_layer::LayerError::Other(reason) => Self::Other(reason),
        }
    }
}
