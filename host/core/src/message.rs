//! A channel layer's message: one MessagePack map with a string under the key `type`.

mod msgpack_reader;
mod validation;

pub use msgpack_reader::{MsgpackReader, Value};

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

/// How deep maps and lists may lie in each other, the message itself counted.
pub const MAX_DEPTH: usize = 64;

/// Why bytes are no message. Positions are in bytes from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// There are more bytes than allowed.
    #[error("a message of {len} bytes is larger than {max}")]
    TooLarge {
        /// The bytes there are.
        len: usize,
        /// The most there may be.
        max: usize,
    },
    /// The bytes end inside a value, or a length promises more than there are.
    #[error("the message ends before the value at byte {at} does")]
    Truncated {
        /// Where the value starts that is not whole.
        at: usize,
    },
    /// The message is something other than a map.
    #[error("the message is not a map")]
    NotAMap,
    /// A key of the message is not a string.
    #[error("the key at byte {at} is not a string")]
    KeyNotString {
        /// Where the key starts.
        at: usize,
    },
    /// A key of a map inside the message is neither a string nor bytes.
    #[error("the key at byte {at} is neither a string nor bytes")]
    InvalidKey {
        /// Where the key starts.
        at: usize,
    },
    /// A string is not UTF-8.
    #[error("the string at byte {at} is not UTF-8")]
    NotUtf8 {
        /// Where the string starts, its length included.
        at: usize,
    },
    /// An extension type or a reserved marker: Channels sends none, bools, numbers, strings, bytes, lists and maps.
    #[error("the value at byte {at} has a type that messages do not carry (marker {marker:#04x})")]
    Unsupported {
        /// Where the value starts.
        at: usize,
        /// Its first byte.
        marker: u8,
    },
    /// Maps and lists lie deeper in each other than [`MAX_DEPTH`].
    #[error("the value at byte {at} lies deeper than {MAX_DEPTH} levels")]
    TooDeep {
        /// Where the map or list starts that is one too many.
        at: usize,
    },
    /// There is no key `type`.
    #[error("the message has no \"type\"")]
    NoType,
    /// The value under `type` is not a string.
    #[error("the \"type\" at byte {at} is not a string")]
    TypeNotString {
        /// Where the value starts.
        at: usize,
    },
    /// The value under `type` is the empty string.
    #[error("the \"type\" at byte {at} is empty")]
    TypeEmpty {
        /// Where the value starts.
        at: usize,
    },
    /// The `type` starts with `_`, which Channels refuses because it would name a private method.
    #[error("the \"type\" at byte {at} starts with '_'")]
    TypePrivate {
        /// Where the value starts.
        at: usize,
    },
    /// There is a second key `type`: readers would differ about which one counts.
    #[error("a second \"type\" at byte {at}")]
    DuplicateType {
        /// Where the second value starts.
        at: usize,
    },
    /// Bytes follow the map.
    #[error("bytes follow the message at byte {at}")]
    TrailingBytes {
        /// Where they start.
        at: usize,
    },
}

/// Bytes that were checked to be one complete message. A clone shares them.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    bytes: Bytes,
    type_start: u32,
    type_len: u32,
}

impl Message {
    /// Checks that `bytes` are exactly one message of at most `max_len` bytes, in one walk that allocates nothing and
    /// trusts no length it reads.
    ///
    /// # Errors
    /// Says what is wrong and at which byte.
    pub fn parse(bytes: Bytes, max_len: usize) -> Result<Self, MessageError> {
        let max = max_len.min(u32::MAX as usize);
        if bytes.len() > max {
            return Err(MessageError::TooLarge { len: bytes.len(), max });
        }
        let kind = validation::find_type(&bytes)?;
        Ok(Self::new(bytes, kind))
    }

    /// The message that a JSON object says.
    ///
    /// # Errors
    /// As [`Message::parse`].
    pub fn from_json(
        object: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, MessageError> {
        // Of a map of strings and values nothing is unwritable; were it, the check would find it.
        let bytes = rmp_serde::to_vec(object).unwrap_or_default();
        Self::parse(bytes.into(), usize::MAX)
    }

    // Both fit: parse refuses what is longer than a u32 can say.
    #[allow(clippy::cast_possible_truncation)]
    fn new(bytes: Bytes, kind: Range<usize>) -> Self {
        Self { bytes, type_start: kind.start as u32, type_len: kind.len() as u32 }
    }

    /// The message as it goes over the wire.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Gives the bytes back.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The message's `type`, such as `chat.message`.
    #[must_use]
    pub fn message_type(&self) -> &str {
        let start = self.type_start as usize;
        let kind = &self.bytes[start..start + self.type_len as usize];
        // Checked when it was parsed; the few bytes are checked again rather than trusted without proof.
        std::str::from_utf8(kind).unwrap_or_default()
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
