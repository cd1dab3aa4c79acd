//! One WebSocket message as the host passes it around.

use bytes::Bytes;
use bytestring::ByteString;

/// One whole WebSocket message, defragmented. A clone shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text message; RFC 6455 demands UTF-8, and the type guarantees it.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
}

impl Frame {
    /// The length of the payload in bytes, without WebSocket's framing.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether the payload is empty, which is a lawful message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_bytes() {
        assert_eq!(Frame::Text("é".into()).len(), 2);
        assert_eq!(Frame::Binary(Bytes::from_static(&[0; 3])).len(), 3);
        assert!(Frame::Text(ByteString::new()).is_empty());
    }
}
