use serde::de::DeserializeOwned;

use crate::{
    frame::Frame,
    message::{self, DecodedMessage},
};

/// A message or a frame that a [`Channel`](super::Channel) of a test receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelEvent(Content);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    /// MessagePack.
    Message(Vec<u8>),
    Frame(Frame),
}

impl ChannelEvent {
    pub(super) fn message(bytes: Vec<u8>) -> Self {
        Self(Content::Message(bytes))
    }

    pub(super) fn frame(frame: Frame) -> Self {
        Self(Content::Frame(frame))
    }

    /// Decodes a message, as a consumer with this [`Message`](crate::Consumer::Message) does. `T` may also be a
    /// `serde_json::Value`.
    ///
    /// # Errors
    /// A text that says why it is not such a message, for example because it is a frame.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, String> {
        let Content::Message(bytes) = &self.0 else {
            return Err(format!("a frame has come instead of a message: {:?}", self.0));
        };
        match message::decode(bytes).map_err(|error| error.to_string())? {
            DecodedMessage::Known(message) => Ok(message),
            DecodedMessage::Unknown(name) => Err(format!("the message has another type: {name:?}")),
        }
    }

    /// Returns the frame, if it is one.
    pub fn into_frame(self) -> Option<Frame> {
        match self.0 {
            Content::Message(_) => None,
            Content::Frame(frame) => Some(frame),
        }
    }
}
