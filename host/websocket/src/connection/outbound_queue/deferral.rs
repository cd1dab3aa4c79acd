//! Frames that a task queues for a connection that rests, and writes itself.

use std::task::Context;

use narrowboat_core::frame::Frame;

use super::OutboundQueue;
use crate::connection::direct_writer::{DirectWrite, DirectWriter, RestState, WrittenFrames};
use crate::connection::outbound_limits::PendingSize;
use crate::connection::outbound_state::{OutboundState, Pushed, may_defer, notify_task};
use crate::split_tcp_stream::TcpWriter;

impl OutboundQueue {
    /// Whether the session is idle: it waits for an event, everything is written, and the connection is open.
    pub fn is_idle(&self) -> bool {
        let state = self.lock();
        state.direct.rest == RestState::Idle && state.is_parked() && state.signals.is_open()
    }

    /// Queues a frame of the connection's channel if its session is idle. Otherwise the frame has to take its turn in
    /// the mailbox.
    pub(in crate::connection) fn push_if_idle(&self, frame: &Frame) -> Option<Pushed> {
        let mut state = self.lock();
        let is_accepted = state.direct.rest == RestState::Idle
            && may_defer(&state, frame)
            && self.check(&state, PendingSize::default(), frame.len()).is_ok();
        is_accepted.then(|| state.push_deferred(frame.clone()))
    }

    /// Writes the frames of a connection that rests. A task that is awake writes them itself.
    pub(in crate::connection) fn flush(&self) -> WrittenFrames {
        let mut state = self.lock();
        state.direct.end_deferral();
        if !state.is_parked() || state.direct.rest == RestState::Writing {
            return WrittenFrames::default();
        }
        let OutboundState { direct, frames, .. } = &mut *state;
        match direct.write(frames) {
            DirectWrite::Complete(written) => written,
            DirectWrite::Incomplete(written) => {
                notify_task(state);
                written
            }
        }
    }

    /// Lets other tasks write to the socket while the connection's task rests.
    pub(in crate::connection) fn set_direct_writer(&self, socket: TcpWriter) {
        self.lock().direct = DirectWriter::new(socket);
    }

    /// Records that the session goes on after it has parked, because of a timer or a delivery: no frame may overtake
    /// the frames that its guest is going to send.
    pub fn resume_task(&self) {
        self.lock().resume();
    }

    /// Parks the task for the time of a guest call, without a look at the queue.
    pub(in crate::connection) fn park_in_call(&self, cx: &Context<'_>) {
        let mut state = self.lock();
        state.direct.rest = state.direct.rest.min(RestState::InCall);
        state.park(cx);
    }
}
