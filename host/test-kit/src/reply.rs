//! The replies of a host to its test.

use std::collections::BTreeMap;

use serde::Serialize;

use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::frame::Frame;

/// The value of a successful request.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Reply {
    Nothing,
    Handshake(HandshakeReply),
    /// A message of a client, or a frame that was sent to a group.
    Data {
        data: ReplyData,
    },
    Close {
        close: (u16, String),
    },
    Channel {
        channel: String,
    },
    Message {
        message: rmpv::Value,
    },
    Requests(Vec<SentRequest>),
    Swapped {
        version: String,
        moved: u64,
    },
    Content(ReplyData),
    /// Whether an operation did what it was asked for.
    Flag(bool),
    /// The value of a counter.
    Number(i64),
    /// The time that a key has left; `None`: it has no end.
    Ttl {
        milliseconds: Option<u64>,
    },
    Config(BTreeMap<String, String>),
    Logs(Vec<LogReply>),
    Texts(Vec<String>),
}

/// The state of a handshake.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum HandshakeReply {
    Accepted {
        connection: u32,
        subprotocol: Option<String>,
        headers: Vec<(String, ReplyData)>,
        channel: Option<String>,
    },
    Undecided {
        connection: u32,
        channel: Option<String>,
    },
    Rejected {
        connection: u32,
        status: u16,
        headers: Vec<(String, ReplyData)>,
        body: ReplyData,
    },
}

/// An HTTP request that the plugin has sent.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SentRequest {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, ReplyData)>,
    pub(crate) body: ReplyData,
}

/// A log line of the plugin.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LogReply {
    pub(crate) level: String,
    pub(crate) message: String,
    pub(crate) context: String,
}

/// A text or bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum ReplyData {
    Text(String),
    Binary(#[serde(with = "serde_bytes")] Vec<u8>),
}

impl ReplyData {
    /// A text if the bytes are UTF-8, else the bytes.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Binary(error.into_bytes()), Self::Text)
    }
}

impl From<Frame> for ReplyData {
    fn from(frame: Frame) -> Self {
        match frame {
            Frame::Text(text) => Self::Text(text.to_string()),
            Frame::Binary(bytes) => Self::Binary(bytes.to_vec()),
        }
    }
}

impl From<CloseFrame> for Reply {
    fn from(CloseFrame { code, reason }: CloseFrame) -> Self {
        Self::Close { close: (code, reason) }
    }
}

/// A response: the value, or why there is none.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Response {
    Ok(Reply),
    Error(String),
}

/// Encodes a response as MessagePack.
pub(crate) fn encode(result: Result<Reply, String>) -> Vec<u8> {
    let response = match result {
        Ok(reply) => Response::Ok(reply),
        Err(error) => Response::Error(error),
    };
    // These types can always be encoded.
    rmp_serde::to_vec_named(&response).unwrap_or_default()
}
