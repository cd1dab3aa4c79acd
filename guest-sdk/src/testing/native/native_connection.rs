use std::collections::VecDeque;

use super::current_instance::InstanceId;
use crate::{
    bindings::narrowboat::consumer::types,
    close_frame::CloseFrame,
    frame::Frame,
    testing::{Handshake, Received, Rejection},
};

/// The number of a connection in its host.
pub(crate) type ConnectionId = u32;

/// A connection of a test.
#[derive(Debug)]
pub(crate) struct NativeConnection {
    pub(crate) channel: String,
    pub(crate) scope: types::Scope,
    /// The instance that has the consumer.
    pub(crate) instance: InstanceId,
    pub(super) stage: Stage,
    /// The response with which the consumer has accepted.
    pub(super) acceptance: types::Acceptance,
    /// Whether the plugin or the host has closed the connection. It accepts no more frames then.
    pub(crate) is_closing: bool,
    /// Whether the running call has sent a frame after the close.
    pub(crate) was_send_refused: bool,
    /// Frames that the test has not received yet.
    pub(super) outgoing: VecDeque<Frame>,
    /// The Close frame of the plugin or the host, which follows the frames.
    pub(super) close: Option<CloseFrame>,
    last_timer: u32,
}

/// Why a client can neither send nor receive before the decision.
pub(super) const UNDECIDED: &str = "the consumer has not decided about the connection";

/// How far a connection has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// `connect` runs, or the consumer decides later.
    Undecided,
    Open,
    Rejected(Rejection),
    /// The connection was open.
    Ended,
}

impl NativeConnection {
    pub(super) fn new(channel: String, scope: types::Scope, instance: InstanceId) -> Self {
        Self {
            channel,
            scope,
            instance,
            stage: Stage::Undecided,
            acceptance: types::Acceptance { subprotocol: None, headers: Vec::new() },
            is_closing: false,
            was_send_refused: false,
            outgoing: VecDeque::new(),
            close: None,
            last_timer: 0,
        }
    }

    /// Whether the connection exists for the plugin.
    pub(crate) fn is_present(&self) -> bool {
        matches!(self.stage, Stage::Undecided | Stage::Open)
    }

    /// Whether the consumer has accepted the connection.
    pub(crate) fn is_accepted(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// Whether the consumer gets events of the connection.
    pub(super) fn is_live(&self) -> bool {
        self.is_present() && !self.is_closing
    }

    /// Returns the identifier of a new timer, if the connection is not closing.
    pub(crate) fn reserve_timer(&mut self) -> Option<u32> {
        self.last_timer += 1;
        self.is_live().then_some(self.last_timer)
    }

    /// The handshake as the client sees it.
    pub(super) fn handshake(&self) -> Handshake {
        match &self.stage {
            Stage::Undecided => Handshake::Undecided,
            Stage::Rejected(rejection) => Handshake::Rejected(rejection.clone()),
            Stage::Open | Stage::Ended => Handshake::Accepted {
                subprotocol: self.acceptance.subprotocol.clone(),
                headers: self.acceptance.headers.clone(),
            },
        }
    }

    /// Takes the next frame. The Close frame comes last, and stays.
    ///
    /// # Errors
    /// The handshake is not accepted.
    pub(super) fn receive(&mut self) -> Result<Option<Received>, String> {
        match &self.stage {
            Stage::Undecided => Err(UNDECIDED.to_owned()),
            Stage::Rejected(rejection) => Err(format!("the handshake was rejected: {rejection}")),
            Stage::Open | Stage::Ended => Ok(match self.outgoing.pop_front() {
                Some(frame) => Some(Received::Frame(frame)),
                None => self.close.clone().map(Received::Close),
            }),
        }
    }
}
