//! The parts of an outbound queue that its lock guards.

use narrowboat_core::deferred_wake;
use narrowboat_core::frame::Frame;
use narrowboat_sync::WakeMutexGuard;

use super::control_signals::ControlSignals;
use super::direct_writer::DirectWriter;
use super::frame_queue::FrameQueue;
use super::handshake_state::HandshakeState;

/// The parts of an outbound queue that its lock guards.
#[derive(Debug, Default)]
pub(super) struct OutboundState {
    pub(super) frames: FrameQueue,
    pub(super) signals: ControlSignals,
    pub(super) handshake: HandshakeState,
    pub(super) direct: DirectWriter,
}

/// The outcome of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// The connection's task writes the frame. Older frames were dropped for it, under the policy `drop-oldest`.
    Queued { dropped: usize },
    /// The caller has to call `OutboundQueue::flush` at the end of its wake-up.
    NeedsFlush,
    /// Another push has found that the frames have to be flushed.
    WithEarlierFlush,
}

impl OutboundState {
    /// Queues a frame that the caller flushes.
    pub(super) fn push_deferred(&mut self, frame: Frame) -> Pushed {
        self.frames.push(frame);
        match self.direct.defer_flush() {
            true => Pushed::NeedsFlush,
            false => Pushed::WithEarlierFlush,
        }
    }
}

/// Whether another task may queue a frame without waking the connection's task, and write it later.
pub(super) fn may_defer(state: &WakeMutexGuard<'_, OutboundState>, frame: &Frame) -> bool {
    state.is_parked() && state.direct.accepts(frame, state.frames.queued_bytes())
}

/// Makes the task poll again, even if it is running now: it may have passed the changed part of the state.
pub(super) fn notify_task(mut state: WakeMutexGuard<'_, OutboundState>) {
    state.mark_dirty();
    wake_parked_task(state);
}

/// Releases the lock, and wakes the task if it is parked.
pub(super) fn wake_parked_task(state: WakeMutexGuard<'_, OutboundState>) {
    if let Some(waker) = state.unlock_and_take_waker() {
        deferred_wake::wake_or_defer(waker);
    }
}
