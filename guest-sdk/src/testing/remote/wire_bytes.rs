use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Visitor};

use crate::frame::Frame;

/// Bytes of the protocol: MessagePack has them as bytes or as a string.
#[derive(Debug)]
pub(super) enum WireBytes {
    Text(String),
    Binary(Vec<u8>),
}

impl WireBytes {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl From<Frame> for WireBytes {
    fn from(frame: Frame) -> Self {
        match frame {
            Frame::Text(text) => Self::Text(text),
            Frame::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

impl From<WireBytes> for Frame {
    fn from(data: WireBytes) -> Self {
        match data {
            WireBytes::Text(text) => Self::Text(text),
            WireBytes::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

impl From<Vec<u8>> for WireBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes)
    }
}

impl Serialize for WireBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Binary(bytes) => serializer.serialize_bytes(bytes),
        }
    }
}

impl<'de> Deserialize<'de> for WireBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WireBytesVisitor)
    }
}

struct WireBytesVisitor;

impl Visitor<'_> for WireBytesVisitor {
    type Value = WireBytes;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string or bytes")
    }

    fn visit_str<E>(self, text: &str) -> Result<WireBytes, E> {
        Ok(WireBytes::Text(text.to_owned()))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<WireBytes, E> {
        Ok(WireBytes::Binary(bytes.to_owned()))
    }
}
