//! Messages of a channel layer: a MessagePack map with a string under the key `type`.

mod message_error;
mod msgpack_reader;
mod validation;

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

pub use message_error::{MAX_DEPTH, MessageError};
pub use msgpack_reader::{MsgpackReader, Value};

/// The bytes of one complete, valid message. A clone shares the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    bytes: Bytes,
    type_start: u32,
    type_len: u32,
}

impl Message {
    /// Checks that `bytes` are exactly one message of at most `max_len` bytes. The check takes one pass, allocates
    /// nothing and does not trust the lengths in the bytes.
    ///
    /// # Errors
    /// The first error, and the position of its byte.
    pub fn parse(bytes: Bytes, max_len: usize) -> Result<Self, MessageError> {
        let max = max_len.min(u32::MAX as usize);
        if bytes.len() > max {
            return Err(MessageError::TooLarge { len: bytes.len(), max });
        }
        let type_range = validation::find_type(&bytes)?;
        Ok(Self::new(bytes, type_range))
    }

    /// Encodes a JSON object as a message.
    ///
    /// # Errors
    /// As [`Message::parse`].
    pub fn from_json(
        object: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, MessageError> {
        // A map of JSON values can always be encoded. If it could not, `parse` would refuse the empty bytes.
        let bytes = rmp_serde::to_vec(object).unwrap_or_default();
        Self::parse(bytes.into(), usize::MAX)
    }

    // Both fit into a u32: `parse` refuses longer messages.
    #[allow(clippy::cast_possible_truncation)]
    fn new(bytes: Bytes, type_range: Range<usize>) -> Self {
        let (type_start, type_len) = (type_range.start as u32, type_range.len() as u32);
        Self { bytes, type_start, type_len }
    }

    /// The encoded message.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the encoded message.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The `type` of the message, such as `chat.message`.
    #[must_use]
    pub fn message_type(&self) -> &str {
        let start = self.type_start as usize;
        let bytes = &self.bytes[start..start + self.type_len as usize];
        // `parse` has checked the bytes. Checking them again avoids unsafe code.
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// The length in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({:?}, {} bytes)", self.message_type(), self.len())
    }
}

#[cfg(test)]
mod tests;
