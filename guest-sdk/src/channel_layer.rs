use std::fmt;

use serde::Serialize;

use crate::{bindings::narrowboat::consumer::channel_layer, frame::Frame, message};

/// Messages between consumers, wherever they run.
///
/// As with a [`Connection`](crate::Connection), it all takes effect when the consumer's method
/// returns, in order. A message is anything that serde writes as a map with a string under `type`,
/// such as a variant of the consumer's [`Message`](crate::Consumer::Message) or a
/// `serde_json::json!` object; bytes stay bytes with the `serde_bytes` crate. Names follow the rules
/// of Django Channels: fewer than 100 ASCII letters, digits, hyphens, underscores and full stops,
/// and in a channel's name one `!`.
///
/// Groups and channels are denied unless the manifest requests them, but for those of connections, which may always be
/// sent to by whoever was told their names.
#[derive(Clone, Copy, Debug)]
pub struct ChannelLayer;

impl ChannelLayer {
    /// The group of those who are told, with messages of the types `layer.disconnected` and
    /// `layer.reconnected`, that what carries the layer's messages went away or is back. Nothing
    /// else is sent to it. A manifest has to request it as for any group.
    pub const EVENTS_GROUP: &'static str = "narrowboat.layer";

    /// Sends a message to one channel.
    ///
    /// # Errors
    /// See [`ChannelLayerError`].
    pub fn send<M: Serialize + ?Sized>(
        channel: &str,
        message: &M,
    ) -> Result<(), ChannelLayerError> {
        Self::send_bytes(channel, &message::encode(message)?)
    }

    /// Sends a message that is MessagePack already.
    ///
    /// # Errors
    /// See [`ChannelLayerError`].
    pub fn send_bytes(channel: &str, message: &[u8]) -> Result<(), ChannelLayerError> {
        Ok(channel_layer::send(channel, message)?)
    }

    /// Makes a channel a member of a group; one that is a member stays one.
    ///
    /// # Errors
    /// See [`ChannelLayerError`].
    pub fn group_add(group: &str, channel: &str) -> Result<(), ChannelLayerError> {
        Ok(channel_layer::group_add(group, channel)?)
    }

    /// Ends a channel's membership of a group, if it is a member.
    ///
    /// # Errors
    /// See [`ChannelLayerError`].
    pub fn group_discard(group: &str, channel: &str) -> Result<(), ChannelLayerError> {
        Ok(channel_layer::group_discard(group, channel)?)
    }

    /// Sends a message to every member of a group: each member's `handle` runs with it.
    ///
    /// # Errors
    /// See [`ChannelLayerError`].
    pub fn group_send<M: Serialize + ?Sized>(
        group: &str,
        message: &M,
    ) -> Result<(), ChannelLayerError> {
        Self::group_send_bytes(group, &message::encode(message)?)
    }

    /// Sends a message that is MessagePack already to every member of a group.
    ///
    /// # Errors
    /// See [`ChannelLayerError`].
    pub fn group_send_bytes(group: &str, message: &[u8]) -> Result<(), ChannelLayerError> {
        Ok(channel_layer::group_send(group, message)?)
    }

    /// Writes one frame to the socket of every member of a group, without running their consumers.
    /// It keeps its place among the messages of the same sender.
    ///
    /// # Errors
    /// See [`ChannelLayerError`].
    pub fn group_send_frame(group: &str, frame: impl Into<Frame>) -> Result<(), ChannelLayerError> {
        Ok(channel_layer::group_send_frame(group, &frame.into().into())?)
    }
}

/// Why the channel layer did not take something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelLayerError {
    /// The channel has as many waiting messages as it may have.
    ChannelFull(String),
    /// No name of a channel or group.
    InvalidName(String),
    /// Not one MessagePack map with a string under `type`, or a type that starts with an
    /// underscore.
    InvalidMessage(String),
    /// The message is larger than this many bytes, the most that is allowed.
    TooLarge(u64),
    /// The plugin's manifest does not request this group or channel.
    Denied(String),
    /// The layer's backend does not answer.
    Unavailable(String),
    /// Something else, in words.
    Other(String),
}

impl fmt::Display for ChannelLayerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChannelFull(what) => write!(formatter, "channel is full: {what}"),
            Self::InvalidName(what) => write!(formatter, "invalid name: {what}"),
            Self::InvalidMessage(what) => write!(formatter, "invalid message: {what}"),
            Self::TooLarge(limit) => write!(formatter, "the message is larger than {limit} bytes"),
            Self::Denied(what) => write!(formatter, "denied: {what}"),
            Self::Unavailable(what) => {
                write!(formatter, "the channel layer is unavailable: {what}")
            }
            Self::Other(what) => formatter.write_str(what),
        }
    }
}

impl std::error::Error for ChannelLayerError {}

impl From<channel_layer::LayerError> for ChannelLayerError {
    fn from(error: channel_layer::LayerError) -> Self {
        match error {
            channel_layer::LayerError::ChannelFull(what) => Self::ChannelFull(what),
            channel_layer::LayerError::InvalidName(what) => Self::InvalidName(what),
            channel_layer::LayerError::InvalidMessage(what) => Self::InvalidMessage(what),
            channel_layer::LayerError::TooLarge(limit) => Self::TooLarge(limit),
            channel_layer::LayerError::Denied(what) => Self::Denied(what),
            channel_layer::LayerError::Unavailable(what) => Self::Unavailable(what),
            channel_layer::LayerError::Other(what) => Self::Other(what),
        }
    }
}
