//! WebSocket messages.

use bytes::Bytes;
use bytestring::ByteString;

/// A complete WebSocket message, without fragmentation. A clone shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text message. The type guarantees UTF-8, which RFC 6455 requires.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
}

impl Frame {
    /// The length of the payload in bytes, without frame headers.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether the payload is empty, which RFC 6455 allows.
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
