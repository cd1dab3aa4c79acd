//! Why a message cannot be written, or bytes cannot be read.

use std::time::Duration;

use super::json::JsonError;
use crate::DecodeErrorCause;
use narrowboat_core::message::MessageError;

/// Why a message cannot be written, or bytes are nothing that was meant for this layer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    /// There is not even the random prefix.
    #[error(
        "{len} bytes are less than the random prefix of {prefix}: is random_prefix_length the sender's?"
    )]
    TooShort {
        /// The bytes there are.
        len: usize,
        /// The length of the prefix.
        prefix: usize,
    },
    /// More bytes than the largest message can take.
    #[error("{len} bytes are more than a message can take here, {max}")]
    TooLarge {
        /// The bytes there are.
        len: usize,
        /// The most there may be.
        max: usize,
    },
    /// No key decrypts it; perhaps it is not encrypted at all.
    #[error("none of symmetric_encryption_keys decrypts it")]
    Undecryptable,
    /// It is encrypted, and there is no key here.
    #[error("it is encrypted, and there are no symmetric_encryption_keys here")]
    Encrypted,
    /// It was encrypted too long ago.
    #[error("encrypted {age:?} ago, more than {max:?}")]
    TooOld {
        /// How long ago.
        age: Duration,
        /// How long ago it may be.
        max: Duration,
    },
    /// It is no JSON that a message can be made of.
    #[error("not a message in JSON: {0}")]
    Json(#[from] JsonError),
    /// It is no message.
    #[error("not a message: {0}")]
    Message(#[from] MessageError),
    /// JSON has no bytes.
    #[error(
        "byte {at} of the message begins bytes, which the serializer json cannot carry: use msgpack, or text"
    )]
    BytesInJson {
        /// Where the bytes start in the message.
        at: usize,
    },
    /// What is under `__asgi_channel__` is neither a name nor a list of names.
    #[error("\"__asgi_channel__\" is neither a name nor a list of names")]
    BadAddress,
    /// It is for more channels than anybody sends to at once.
    #[error("addressed to {count} channels, more than {max}")]
    TooManyNames {
        /// How many names there are.
        count: u64,
        /// How many there may be.
        max: usize,
    },
    /// A list, but not as Narrowboat writes a frame.
    #[error("a list, but not a frame")]
    BadFrame,
    /// A frame with more payload than allowed.
    #[error("a frame of {len} bytes is larger than {max}")]
    FrameTooLarge {
        /// The payload's bytes.
        len: usize,
        /// The most there may be.
        max: usize,
    },
}

impl WireError {
    /// The cause that it counts as.
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
