//! Between our frames, closures and faults and tungstenite's.

use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as WireFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Utf8Bytes};

use super::outbound::Next;
use crate::closure::{Closure, code};
use crate::fault::ClientFault;
use crate::frame::Frame;

/// Read buffer of a socket, in bytes: allocated for each, so small.
const READ_BUFFER: usize = 4 * 1024;

/// Bytes gathered before they are written without waiting for the flush.
const WRITE_BUFFER: usize = 16 * 1024;

/// How tungstenite is to read a client's frames.
pub(crate) fn websocket_config(max_message: usize, max_frame: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_frame.min(max_message)))
}

/// What to send.
pub(super) fn message(next: Next) -> Message {
    match next {
        // A raw frame: its text is known to be UTF-8 and need not be looked at again.
        Next::Frame(Frame::Text(text)) => {
            let payload = text.into_bytes();
            Message::Frame(WireFrame::message(payload, OpCode::Data(Data::Text), true))
        }
        Next::Frame(Frame::Binary(bytes)) => {
            Message::Frame(WireFrame::message(bytes, OpCode::Data(Data::Binary), true))
        }
        Next::Close(closure) => Message::Close(Some(CloseFrame {
            code: closure.code.into(),
            reason: Utf8Bytes::from(closure.reason),
        })),
    }
}

/// How the peer closed.
pub(super) fn closure(close: Option<CloseFrame>) -> Closure {
    close.map_or_else(
        || Closure::new(code::NONE, ""),
        |frame| Closure::new(frame.code.into(), frame.reason.as_str()),
    )
}

/// What the peer did wrong, unless the socket merely ended.
pub(super) fn fault(error: &Error) -> Option<ClientFault> {
    match error {
        Error::Capacity(error) => Some(ClientFault::TooBig(error.to_string())),
        Error::Utf8(_) => Some(ClientFault::BadText),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(error) => Some(ClientFault::Protocol(error.to_string())),
        _ => None,
    }
}
