//! The queue between the tasks that send to a connection and the connection itself.

mod deferral;

use std::task::{Context, Poll};

use narrowboat_config::OverflowPolicy;
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::{ClientFault, Fault};
use narrowboat_core::frame::Frame;
use narrowboat_core::host_close::HostClose;
use narrowboat_sync::{WakeMutex, WakeMutexGuard};

use super::control_signals::{ControlSignal, ControlSignals, PendingClose};
use super::direct_writer::{DirectWriter, RestState};
use super::frame_queue::FrameQueue;
use super::handshake_event::HandshakeEvent;
use super::handshake_state::{DecisionEffect, HandshakeState};
use super::late_decision::LateDecision;
use super::outbound_limits::{OutboundLimits, PendingSize, PushError};
use super::outbound_state::{OutboundState, Pushed, may_defer, notify_task, wake_parked_task};
use super::throttle::RateState;
use crate::codec::BATCH_BYTES;

/// A queue that any task may fill and only the connection drains, bounded in bytes.
///
/// One lock holds five parts: the `FrameQueue`, the `ControlSignals`, the `HandshakeState`, the `DirectWriter`, and the
/// state of the connection's task, which belongs to the `WakeMutex`. One lock is enough for a poll to see a consistent
/// state, and for a push to decide whether it has to wake the task:
///
/// ```text
///                  park, if nothing was requested since take_status
///             +------------------------------------------------------+
///             |                                                      v
///     task running: a push has no one to wake            task parked: a push wakes the task
///             ^                                                      |
///             +------------------------------------------------------+
///                           take_status, or a wake-up
/// ```
///
/// A task that sends to many connections does not wake those that rest with an empty queue. It queues the frames with
/// `push_or_defer`, and writes them with `flush` at the end of its own wake-up.
#[derive(Debug)]
pub struct OutboundQueue {
    limits: OutboundLimits,
    state: WakeMutex<OutboundState>,
}

/// The next item for the socket.
#[derive(Debug)]
pub(super) enum OutboundItem {
    Frame(Frame),
    /// The last item.
    Close(PendingClose),
}

/// A snapshot for the connection's task.
#[derive(Debug, Default)]
pub(super) struct OutboundStatus {
    /// The request to close, until the Close frame is taken.
    pub(super) close_request: Option<PendingClose>,
    /// The next signal for the session.
    pub(super) signal: Option<ControlSignal>,
    pub(super) queued_bytes: usize,
    /// Whether the connection accepts frames.
    pub(super) is_open: bool,
    /// Bytes that another task could not write. They precede all queued frames.
    pub(super) unsent: Vec<u8>,
}

impl OutboundQueue {
    /// Returns an empty queue. It allocates no memory before its first frame.
    pub fn new(limits: OutboundLimits) -> Self {
        Self { limits, state: WakeMutex::default() }
    }

    /// Checks whether [`push`](Self::push) would accept a frame of `len` bytes after the `pending` frames.
    ///
    /// # Errors
    /// The error that [`push`](Self::push) would return.
    pub fn check_push(&self, pending: PendingSize, len: usize) -> Result<(), PushError> {
        self.check(&self.lock(), pending, len)
    }

    /// Returns whether an empty queue would accept a frame of `len` bytes after the `pending` frames.
    pub fn fits_when_empty(&self, pending: PendingSize, len: usize) -> bool {
        self.limits.check(pending, len).is_ok()
    }

    /// Queues a frame. Returns how many older frames were dropped for it, under the policy `drop-oldest`. The policy
    /// `close` closes the connection with 1013 if the frame does not fit.
    ///
    /// # Errors
    /// The frame does not fit, or the connection is closing. The frame is dropped.
    pub fn push(&self, frame: Frame) -> Result<usize, PushError> {
        match self.push_or_defer(frame, false)? {
            Pushed::Queued { dropped } => Ok(dropped),
            Pushed::NeedsFlush | Pushed::WithEarlierFlush => Ok(0),
        }
    }

    /// Queues a frame like [`push`](Self::push). With `is_deferring`, a connection that rests is not woken: the caller
    /// flushes it.
    ///
    /// # Errors
    /// Those of [`push`](Self::push).
    pub(super) fn push_or_defer(
        &self,
        frame: Frame,
        is_deferring: bool,
    ) -> Result<Pushed, PushError> {
        let mut state = self.lock();
        match self.check(&state, PendingSize::default(), frame.len()) {
            Ok(()) => {
                if is_deferring && may_defer(&state, &frame) {
                    return Ok(state.push_deferred(frame));
                }
                let evicted = state.frames.evict_oldest(&self.limits, frame.len());
                state.frames.push(frame);
                wake_parked_task(state);
                // The evicted frames are freed after the lock is released.
                Ok(Pushed::Queued { dropped: evicted.len() })
            }
            Err(PushError::Full) if self.closes_on_overflow() => {
                close_stalled(state);
                Err(PushError::Full)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns whether a frame that does not fit closes the connection.
    pub fn closes_on_overflow(&self) -> bool {
        self.limits.overflow == OverflowPolicy::Close
    }

    /// Closes the connection with 1013, because its client does not read fast enough.
    pub fn fail_stalled(&self) {
        close_stalled(self.lock());
    }

    /// Starts the closing handshake after the queued frames. Only the first call has an effect.
    pub fn close(&self, close_frame: CloseFrame) {
        self.request_close(PendingClose { close_frame, fault: None });
    }

    /// Closes the connection because of a fault, like [`close`](Self::close).
    pub fn fail(&self, fault: Fault) {
        self.request_close(PendingClose { close_frame: fault.close_frame(), fault: Some(fault) });
    }

    fn request_close(&self, request: PendingClose) {
        let mut state = self.lock();
        if state.signals.request_close(request) {
            notify_task(state);
        }
    }

    /// Returns whether frames or a Close wait to be written.
    pub(super) fn has_pending(&self) -> bool {
        let state = self.lock();
        state.frames.has_pending() || state.signals.close_request().is_some()
    }

    /// Returns the number of bytes that are queued or that the socket may not have accepted.
    pub fn buffered_bytes(&self) -> usize {
        self.lock().frames.buffered_bytes()
    }

    /// Returns whether the connection is closing or closed.
    pub fn is_closing(&self) -> bool {
        !self.lock().signals.is_open()
    }

    /// Tells the session that the host is stopping.
    pub fn signal_stop(&self) {
        let mut state = self.lock();
        if state.signals.request_stop() {
            notify_task(state);
        }
    }

    /// Tells the session that a command waits for it.
    pub fn signal_command(&self) {
        let mut state = self.lock();
        state.signals.announce_command();
        notify_task(state);
    }

    /// Whether the connection's task has to poll before it handles another message: it has a request, or frames enough
    /// for a write.
    pub fn needs_poll(&self) -> bool {
        let state = self.lock();
        state.is_dirty() || !state.signals.is_open() || state.frames.queued_bytes() >= BATCH_BYTES
    }

    /// Makes the connection's task poll again.
    pub fn wake_task(&self) {
        notify_task(self.lock());
    }

    /// Takes the requests of other tasks. Until the task parks, frames that are pushed do not wake it.
    pub(super) fn take_status(&self) -> OutboundStatus {
        let mut state = self.lock();
        let signal = state.signals.take_signal();
        // The next poll takes a second signal.
        let has_more = state.signals.has_signal();
        state.begin_poll(has_more);
        OutboundStatus {
            close_request: state.signals.close_request().cloned(),
            signal,
            queued_bytes: state.frames.queued_bytes(),
            is_open: state.signals.is_open(),
            unsent: state.direct.take_unsent(),
        }
    }

    /// Takes the next item to write. `is_all_written` tells that the socket has accepted all items before. If there is
    /// no item, the task parks, and `rest` says for what.
    ///
    /// An exceeded rate holds back the frames of an open connection only. On a closing connection they are written, so
    /// that they do not delay the Close behind them.
    pub(super) fn pop_item(
        &self,
        cx: &Context<'_>,
        is_all_written: bool,
        rate: RateState,
        rest: RestState,
    ) -> Option<OutboundItem> {
        let mut state = self.lock();
        if is_all_written {
            state.frames.confirm_written();
        }
        state.direct.rest = RestState::Writing;
        if rate == RateState::Exceeded && state.signals.is_open() {
            state.park(cx);
            return None;
        }
        if let Some(frame) = state.frames.pop() {
            return Some(OutboundItem::Frame(frame));
        }
        state.frames.shrink();
        if let Some(request) = state.signals.take_close() {
            return Some(OutboundItem::Close(request));
        }
        if is_all_written && state.signals.is_open() {
            state.direct.rest = rest;
        }
        state.park(cx);
        None
    }

    /// Parks the task: a push or a request wakes it.
    pub(super) fn register_waker(&self, cx: &Context<'_>) {
        self.lock().park(cx);
    }

    /// Drops all frames and requests, because the socket is closed. No more frames are accepted.
    pub(super) fn mark_closed(&self) {
        let closed = OutboundState {
            frames: FrameQueue::default(),
            signals: ControlSignals::closed(),
            handshake: HandshakeState::Over,
            direct: DirectWriter::default(),
        };
        self.lock().reset(closed);
    }

    /// Decides a handshake that `connect` left open. Only the first decision has an effect. A rejection by a consumer
    /// that was restarted for an open connection closes the connection.
    pub fn decide_handshake(&self, decision: LateDecision) {
        let mut state = self.lock();
        match state.handshake.decide(decision) {
            DecisionEffect::None => {}
            DecisionEffect::Responds => notify_task(state),
            DecisionEffect::Closes => {
                drop(state);
                self.close(HostClose::RejectedAfterRestart.frame());
            }
        }
    }

    /// Whether a consumer still has to decide about the handshake.
    pub fn is_undecided(&self) -> bool {
        self.lock().handshake.is_undecided()
    }

    /// Ends the time for decisions: `connect` has decided.
    pub fn end_handshake(&self) {
        self.lock().handshake.end();
    }

    /// Lets a consumer that was restarted decide about its connection, which is open already.
    pub fn reopen_handshake(&self) {
        self.lock().handshake.reopen();
    }

    /// Polls a connection whose handshake is undecided. A decision comes before a request to close: that request is
    /// left to the open connection.
    pub fn poll_handshake(&self, cx: &Context<'_>) -> Poll<HandshakeEvent> {
        let mut state = self.lock();
        if let Some(decision) = state.handshake.take_decision() {
            return Poll::Ready(HandshakeEvent::Decided(decision));
        }
        if let Some(PendingClose { close_frame, fault }) = state.signals.close_request().cloned() {
            return Poll::Ready(HandshakeEvent::Closed(close_frame, fault));
        }
        if let Some(signal) = state.signals.take_signal() {
            return Poll::Ready(match signal {
                ControlSignal::Stop => HandshakeEvent::Stop,
                ControlSignal::CommandPending => HandshakeEvent::CommandPending,
            });
        }
        state.begin_poll(false);
        state.park(cx);
        Poll::Pending
    }

    fn check(
        &self,
        state: &OutboundState,
        pending: PendingSize,
        len: usize,
    ) -> Result<(), PushError> {
        if !state.signals.is_open() {
            return Err(PushError::Closed);
        }
        self.limits.check(state.frames.size_with(pending), len)
    }

    fn lock(&self) -> WakeMutexGuard<'_, OutboundState> {
        self.state.lock()
    }
}

/// Closes a connection whose client does not read. The queued frames are dropped: they would only delay the Close.
fn close_stalled(mut state: WakeMutexGuard<'_, OutboundState>) {
    let fault = Fault::Client(ClientFault::SendQueueFull(state.frames.buffered_bytes()));
    let request = PendingClose { close_frame: fault.close_frame(), fault: Some(fault) };
    if state.signals.request_close(request) {
        state.frames.clear();
        notify_task(state);
    }
}

#[cfg(test)]
mod tests;
