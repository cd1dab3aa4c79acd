use serde::de::DeserializeOwned;

use crate::{
    bindings::narrowboat::consumer::types,
    client_error::{ClientError, parse_client_json},
};

/// One complete WebSocket message, reassembled from its fragments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}

impl Frame {
    /// The payload of the frame, text or binary.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The text of a text frame.
    ///
    /// # Errors
    /// A [`ClientError`] with code 1007 if it is a binary frame.
    pub fn text(&self) -> Result<&str, ClientError> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Binary(_) => Err(ClientError::invalid_data("a text frame is expected")),
        }
    }

    /// The bytes of a binary frame.
    ///
    /// # Errors
    /// A [`ClientError`] with code 1007 if it is a text frame.
    pub fn binary(&self) -> Result<&[u8], ClientError> {
        match self {
            Self::Binary(bytes) => Ok(bytes),
            Self::Text(_) => Err(ClientError::invalid_data("a binary frame is expected")),
        }
    }

    /// Parses the payload as JSON, in a text or a binary frame.
    ///
    /// # Errors
    /// A [`ClientError`] with code 1007 if the payload is not JSON or does not match `T`. To choose another code, write
    /// `frame.json::<T>().map_err(|error| error.with_code(4400))?`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        parse_client_json(self.as_bytes())
    }
}

impl From<String> for Frame {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Frame {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<u8>> for Frame {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes)
    }
}

impl From<&[u8]> for Frame {
    fn from(bytes: &[u8]) -> Self {
        Self::Binary(bytes.to_vec())
    }
}

impl From<types::Frame> for Frame {
    fn from(frame: types::Frame) -> Self {
        match frame {
            types::Frame::Text(text) => Self::Text(text),
            types::Frame::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

impl From<Frame> for types::Frame {
    fn from(frame: Frame) -> Self {
        match frame {
            Frame::Text(text) => Self::Text(text),
            Frame::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_parsed_from_text_and_binary_frames() {
        assert_eq!(Frame::from("[1,2]").json::<Vec<u8>>().unwrap(), [1, 2]);
        assert_eq!(Frame::from(b"[1,2]".as_slice()).json::<Vec<u8>>().unwrap(), [1, 2]);
        assert!(Frame::from("{").json::<Vec<u8>>().is_err());
    }
}
