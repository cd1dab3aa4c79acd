//! Errors of encoding and decoding.

use std::time::Duration;

use super::json_reader::JsonError;
use crate::DecodeErrorCause;
use narrowboat_core::message::MessageError;

/// Why a message cannot be encoded, or bytes cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    /// The bytes are shorter than the random prefix.
    #[error("{len} bytes are fewer than random_prefix_length, {prefix}")]
    TooShort {
        /// The number of bytes.
        len: usize,
        /// The length of the prefix.
        prefix: usize,
    },
    /// The value is larger than the largest encoded message.
    #[error("{len} bytes are more than the limit of {max}")]
    TooLarge {
        /// The number of bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// No key decrypts the value. Perhaps it is not encrypted.
    #[error("none of symmetric_encryption_keys decrypts the value")]
    Undecryptable,
    /// The value is encrypted, and this process has no key.
    #[error("the value is encrypted, but symmetric_encryption_keys is not set")]
    Encrypted,
    /// The value was encrypted too long ago.
    #[error("the value was encrypted {age:?} ago, more than {max:?}")]
    TooOld {
        /// The age.
        age: Duration,
        /// The largest allowed age.
        max: Duration,
    },
    /// The body is not JSON that a message can be made of.
    #[error("invalid JSON: {0}")]
    Json(#[from] JsonError),
    /// The body is not a message.
    #[error("invalid message: {0}")]
    Message(#[from] MessageError),
    /// The message contains bytes, which JSON cannot represent.
    #[error(
        "the message has a bytes value at byte {at}, which the serializer json cannot represent: use msgpack or a string"
    )]
    BytesInJson {
        /// Where the bytes start in the message.
        at: usize,
    },
    /// The value of `__asgi_channel__` is neither a name nor an array of names.
    #[error("\"__asgi_channel__\" is neither a name nor an array of names")]
    BadAddress,
    /// The address has too many names.
    #[error("the address has {count} channels, more than the limit of {max}")]
    TooManyNames {
        /// The number of names.
        count: u64,
        /// The limit.
        max: usize,
    },
    /// The body is an array, but not a frame.
    #[error("the body is an array, but not a frame")]
    BadFrame,
    /// The frame is too large.
    #[error("the frame has {len} bytes, more than the limit of {max}")]
    FrameTooLarge {
        /// The size of the payload in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
}

impl WireError {
    /// Returns the cause under which the error is counted.
    pub(crate) fn cause(&self) -> DecodeErrorCause {
        match self {
            Self::TooShort { .. } => DecodeErrorCause::Prefix,
            Self::TooLarge { .. } | Self::FrameTooLarge { .. } => DecodeErrorCause::Size,
            Self::Undecryptable | Self::Encrypted => DecodeErrorCause::Encryption,
            Self::TooOld { .. } => DecodeErrorCause::Age,
            Self::Json(error) => match error {
                JsonError::NotUtf8 { .. } | JsonError::LoneSurrogate { .. } => {
                    DecodeErrorCause::Text
                }
                JsonError::TooDeep { .. } => DecodeErrorCause::Depth,
                JsonError::LargeInteger { .. } => DecodeErrorCause::Integer,
                JsonError::Unexpected { .. } => DecodeErrorCause::Other,
            },
            Self::Message(error) => message_error_cause(error),
            Self::BadAddress | Self::TooManyNames { .. } => DecodeErrorCause::Address,
            Self::BytesInJson { .. } | Self::BadFrame => DecodeErrorCause::Other,
        }
    }
}

fn message_error_cause(error: &MessageError) -> DecodeErrorCause {
    match error {
        MessageError::TooLarge { .. } => DecodeErrorCause::Size,
        MessageError::NotUtf8 { .. } => DecodeErrorCause::Text,
        MessageError::Unsupported { .. } => DecodeErrorCause::Extension,
        MessageError::TooDeep { .. } => DecodeErrorCause::Depth,
        MessageError::NoType
        | MessageError::TypeNotString { .. }
        | MessageError::TypeEmpty { .. }
        | MessageError::TypePrivate { .. }
        | MessageError::DuplicateType { .. } => DecodeErrorCause::Type,
        MessageError::Truncated { .. }
        | MessageError::NotAMap
        | MessageError::KeyNotString { .. }
        | MessageError::InvalidKey { .. }
        | MessageError::TrailingBytes { .. } => DecodeErrorCause::Other,
    }
}
