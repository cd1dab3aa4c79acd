use std::time::Duration;

use super::native_connection::ConnectionId;
use crate::{bindings::narrowboat::consumer::types, close_frame::CloseFrame, frame::Frame};

/// A request of the plugin, which the host carries out after the call.
#[derive(Debug)]
pub(crate) enum Effect {
    /// A frame for a client.
    Send(ConnectionId, Frame),
    /// The end of a connection.
    Close(ConnectionId, CloseFrame),
    /// The end of a connection whose plugin broke the contract, with the description of the fault.
    Fail(ConnectionId, String),
    /// The acceptance of a handshake that `connect` left open.
    Accept(ConnectionId, types::Acceptance),
    /// The rejection of a handshake that `connect` left open.
    Reject(ConnectionId, types::Rejection),
    /// A new timer, under the identifier that the plugin has got.
    SetTimer(ConnectionId, u32, Duration),
    /// The end of a timer before it fires.
    ClearTimer(ConnectionId, u32),
    /// A new time for the alarm of a room, on the clock of the test, or none.
    SetAlarm(String, Option<Duration>),
    /// A message for a channel.
    LayerSend(String, Vec<u8>),
    /// Adds a channel to a group.
    GroupAdd(String, String),
    /// Removes a channel from a group.
    GroupDiscard(String, String),
    /// A message for every member of a group.
    GroupSend(String, Vec<u8>),
    /// A frame for every member of a group.
    GroupSendFrame(String, Frame),
}
