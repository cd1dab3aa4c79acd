//! The responses of the host of `narrowboat test`.

use std::time::Duration;

use serde::Deserialize;

use super::{operation::WireHeaders, wire_bytes::WireBytes};
use crate::{
    close_frame::CloseFrame,
    keyvalue::TimeToLive,
    log::Level,
    testing::{Handshake, LogLine, Received, Rejection, SentRequest, SwapReport},
};

/// A response: the value, or the reason why the operation failed.
#[derive(Debug, Deserialize)]
pub(super) enum Reply<T> {
    #[serde(rename = "ok")]
    Value(T),
    #[serde(rename = "error")]
    Error(String),
}

/// The state of a handshake.
#[derive(Debug, Deserialize)]
pub(super) struct HandshakeReply {
    pub(super) connection: u32,
    #[serde(default)]
    pub(super) channel: Option<String>,
    state: HandshakeState,
    #[serde(default)]
    subprotocol: Option<String>,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    headers: WireHeaders,
    #[serde(default)]
    body: Option<WireBytes>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HandshakeState {
    Accepted,
    Undecided,
    Rejected,
}

fn headers_of(headers: WireHeaders) -> Vec<(String, Vec<u8>)> {
    headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect()
}

impl From<HandshakeReply> for Handshake {
    fn from(reply: HandshakeReply) -> Self {
        let headers = headers_of(reply.headers);
        match reply.state {
            HandshakeState::Accepted => Self::Accepted { subprotocol: reply.subprotocol, headers },
            HandshakeState::Undecided => Self::Undecided,
            HandshakeState::Rejected => Self::Rejected(Rejection {
                status: reply.status,
                headers,
                body: reply.body.map(WireBytes::into_bytes).unwrap_or_default(),
            }),
        }
    }
}

/// An event that a client has received.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReceivedReply {
    Data(WireBytes),
    Close(u16, String),
}

impl From<ReceivedReply> for Received {
    fn from(reply: ReceivedReply) -> Self {
        match reply {
            ReceivedReply::Data(data) => Self::Frame(data.into()),
            ReceivedReply::Close(code, reason) => Self::Close(CloseFrame { code, reason }),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ChannelReply {
    pub(super) channel: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct RequestReply {
    method: String,
    url: String,
    headers: WireHeaders,
    body: WireBytes,
}

impl From<RequestReply> for SentRequest {
    fn from(RequestReply { method, url, headers, body }: RequestReply) -> Self {
        Self { method, url, headers: headers_of(headers), body: body.into_bytes() }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct SwapReply {
    version: String,
    moved: u32,
}

impl From<SwapReply> for SwapReport {
    fn from(SwapReply { version, moved }: SwapReply) -> Self {
        Self { version, moved }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct LogReply {
    level: WireLevel,
    message: String,
    context: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

impl From<LogReply> for LogLine {
    fn from(LogReply { level, message, context }: LogReply) -> Self {
        let level = match level {
            WireLevel::Trace => Level::Trace,
            WireLevel::Debug => Level::Debug,
            WireLevel::Info => Level::Info,
            WireLevel::Warn => Level::Warn,
            WireLevel::Error => Level::Error,
            WireLevel::Critical => Level::Critical,
        };
        Self { level, context, message }
    }
}

/// The time that a key has left. A key that does not exist has no reply.
#[derive(Debug, Deserialize)]
pub(super) struct TtlReply {
    /// `None`: it has no end.
    milliseconds: Option<u64>,
}

impl From<TtlReply> for TimeToLive {
    fn from(TtlReply { milliseconds }: TtlReply) -> Self {
        milliseconds.map_or(Self::Unlimited, |left| Self::Remaining(Duration::from_millis(left)))
    }
}
