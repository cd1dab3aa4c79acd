//! The frames that wait for one socket, bounded in bytes.

use std::collections::VecDeque;
use std::task::Context;

use narrowboat_sync::{WakeMutex, WakeMutexGuard};

use narrowboat_config::OverflowPolicy;
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::deferred_wake;
use narrowboat_core::fault::{ClientFault, Fault};
use narrowboat_core::frame::Frame;

/// The bounds of one connection's queue.
#[derive(Debug, Clone, Copy)]
pub struct OutboundLimits {
    /// Bytes that wait; a single frame that is larger is taken when nothing waits.
    pub max_queued_bytes: usize,
    /// The largest frame, in bytes.
    pub max_frame: usize,
    /// What happens at the bound.
    pub overflow: OverflowPolicy,
}

/// Why a frame was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushError {
    /// The connection is closing or gone.
    Closed,
    /// The queue is at its bound.
    Full,
    /// The frame is larger than this many bytes, the most that one may have.
    TooLarge(usize),
}

/// What the socket gets next.
#[derive(Debug)]
pub(super) enum OutboundItem {
    Frame(Frame),
    /// And nothing after it; the fault is why, if it is one.
    Close(CloseFrame, Option<Fault>),
}

/// A queue that any task may fill and only the connection drains.
#[derive(Debug)]
pub struct OutboundQueue {
    limits: OutboundLimits,
    state: WakeMutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    queue: VecDeque<Frame>,
    /// Bytes queued.
    queued_bytes: usize,
    /// Bytes handed to the socket and not known to be written.
    unwritten_bytes: usize,
    closing: CloseState,
    stop: StopState,
    /// An order lies ready for the session, which does not know yet.
    command_pending: bool,
}

/// What one call has for a connection already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PendingSize {
    /// Frames.
    pub frames: usize,
    /// Their payload.
    pub bytes: usize,
}

#[derive(Debug, Default)]
enum CloseState {
    #[default]
    Open,
    /// A Close frame goes out behind what is queued; the fault is why, if it is one.
    Requested(CloseFrame, Option<Fault>),
    /// It has gone out, or the socket is gone.
    Closed,
}

/// Whether the host is stopping.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum StopState {
    #[default]
    NotRequested,
    Requested,
    /// The session knows.
    Delivered,
}

/// What the connection's task finds when it looks.
#[derive(Debug, Default)]
pub(super) struct OutboundStatus {
    /// The closing that was asked for, while its Close has not gone out.
    pub(super) closing: Option<(CloseFrame, Option<Fault>)>,
    /// What the session has to be told, of the host's stopping first.
    pub(super) signal: Option<ControlSignal>,
    /// Bytes queued.
    pub(super) queued_bytes: usize,
    /// No closing was asked for.
    pub(super) is_open: bool,
}

/// What others have to tell a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ControlSignal {
    /// The host is stopping.
    Stop,
    /// An order lies ready.
    CommandPending,
}

/// What a queued frame takes beside its payload, about: a queue has no more frames than its bound has room for such.
const FRAME_OVERHEAD_BYTES: usize = 64;

/// Frames that any queue has room for.
const MIN_QUEUE_FRAMES: usize = 16;

/// A queue that has grown past this many frames gives its memory back once it is empty.
const MAX_RETAINED_CAPACITY: usize = 16;

impl OutboundQueue {
    /// An empty queue, which allocates nothing until it is used.
    pub fn new(limits: OutboundLimits) -> Self {
        Self { limits, state: WakeMutex::default() }
    }

    /// Whether a frame of `len` bytes would be taken, if so many were queued before it.
    ///
    /// # Errors
    /// What [`Outbound::push`] would answer.
    pub fn check_push(&self, pending: PendingSize, len: usize) -> Result<(), PushError> {
        self.limits.check(&self.lock(), pending, len)
    }

    /// Whether an empty queue would take a frame of `len` bytes, if so many were queued before it.
    pub fn fits_when_empty(&self, pending: PendingSize, len: usize) -> bool {
        self.limits.check(&Inner::default(), pending, len).is_ok()
    }

    /// Queues a frame, and says how many older ones gave way to it. At the bound the policy `close` ends the
    /// connection with 1013.
    ///
    /// # Errors
    /// The frame is dropped.
    pub fn push(&self, frame: Frame) -> Result<usize, PushError> {
        let mut state = self.lock();
        match self.limits.check(&state, PendingSize::default(), frame.len()) {
            Ok(()) => {
                let dropped = self.limits.evict_oldest(&mut state, frame.len());
                state.queued_bytes += frame.len();
                state.queue.push_back(frame);
                wake_task(state);
                Ok(dropped.len())
            }
            Err(PushError::Full) if self.closes_on_overflow() => {
                request_stalled_close(state);
                Err(PushError::Full)
            }
            Err(refused) => Err(refused),
        }
    }

    /// Whether the policy at the bound is to close.
    pub fn closes_on_overflow(&self) -> bool {
        self.limits.overflow == OverflowPolicy::Close
    }

    /// Ends the connection with 1013, since more was sent than its peer reads.
    pub fn fail_stalled(&self) {
        request_stalled_close(self.lock());
    }

    /// Starts the closing handshake behind what is queued. The first to close decides the code.
    pub fn close(&self, closure: CloseFrame) {
        self.request_close(closure, None);
    }

    /// Closes because of a fault, as [`Outbound::close`].
    pub fn fail(&self, fault: Fault) {
        self.request_close(fault.close_frame(), Some(fault));
    }

    fn request_close(&self, closure: CloseFrame, fault: Option<Fault>) {
        let mut state = self.lock();
        if matches!(state.closing, CloseState::Open) {
            state.closing = CloseState::Requested(closure, fault);
            state.mark_dirty();
            wake_task(state);
        }
    }

    /// Whether frames, or a Close, wait to be written.
    pub(super) fn has_pending(&self) -> bool {
        let state = self.lock();
        state.buffered_bytes() > 0 || matches!(state.closing, CloseState::Requested(..))
    }

    /// Bytes queued and not yet written to the socket.
    pub fn buffered_bytes(&self) -> usize {
        self.lock().buffered_bytes()
    }

    /// Whether the closing handshake has been asked for, or the socket is gone.
    pub fn is_closing(&self) -> bool {
        !matches!(self.lock().closing, CloseState::Open)
    }

    /// Tells the session that the host is stopping.
    pub fn signal_stop(&self) {
        let mut state = self.lock();
        if state.stop == StopState::NotRequested {
            state.stop = StopState::Requested;
            state.mark_dirty();
            wake_task(state);
        }
    }

    /// Tells the session that an order lies ready for it.
    pub fn signal_command(&self) {
        let mut state = self.lock();
        state.command_pending = true;
        state.mark_dirty();
        wake_task(state);
    }

    /// Has the connection's task look at what concerns it.
    pub(super) fn wake_task(&self) {
        let mut state = self.lock();
        state.mark_dirty();
        wake_task(state);
    }

    /// Looks at what was asked of the connection. Its own task is awake, so that what it queues from now on
    /// need not wake it.
    pub(super) fn take_status(&self) -> OutboundStatus {
        let mut state = self.lock();
        let word = state.take_signal();
        // Of two words the second is told by the next look.
        let again = state.command_pending;
        state.begin_poll(again);
        let closing = match &state.closing {
            CloseState::Requested(closure, fault) => Some((closure.clone(), fault.clone())),
            CloseState::Open | CloseState::Closed => None,
        };
        let open = matches!(state.closing, CloseState::Open);
        OutboundStatus { closing, signal: word, queued_bytes: state.queued_bytes, is_open: open }
    }

    /// What to write next; `written` tells that all that was taken before is. Where there is nothing, the task
    /// is woken when that changes.
    ///
    /// `mute` holds frames back while the connection is open. One that closes is not held back: what it had to say
    /// before goes out ahead of its Close.
    pub(super) fn pop_item(
        &self,
        cx: &Context<'_>,
        written: bool,
        mute: bool,
    ) -> Option<OutboundItem> {
        let mut state = self.lock();
        if written {
            state.unwritten_bytes = 0;
        }
        if mute && matches!(state.closing, CloseState::Open) {
            state.park(cx);
            return None;
        }
        if let Some(frame) = state.queue.pop_front() {
            state.queued_bytes -= frame.len();
            state.unwritten_bytes += frame.len();
            return Some(OutboundItem::Frame(frame));
        }
        if state.queue.capacity() > MAX_RETAINED_CAPACITY {
            state.queue = VecDeque::new();
        }
        match std::mem::take(&mut state.closing) {
            CloseState::Requested(closure, fault) => {
                state.closing = CloseState::Closed;
                return Some(OutboundItem::Close(closure, fault));
            }
            other => state.closing = other,
        }
        state.park(cx);
        None
    }

    /// Has the task woken when anything changes.
    pub(super) fn register_waker(&self, cx: &Context<'_>) {
        self.lock().park(cx);
    }

    /// The socket is gone: nothing more is taken.
    pub(super) fn mark_closed(&self) {
        self.lock().reset(Inner { closing: CloseState::Closed, ..Inner::default() });
    }

    fn lock(&self) -> WakeMutexGuard<'_, Inner> {
        self.state.lock()
    }
}

impl Inner {
    /// What the session has to be told next; each is told once.
    fn take_signal(&mut self) -> Option<ControlSignal> {
        if self.stop == StopState::Requested {
            self.stop = StopState::Delivered;
            return Some(ControlSignal::Stop);
        }
        std::mem::take(&mut self.command_pending).then_some(ControlSignal::CommandPending)
    }

    fn buffered_bytes(&self) -> usize {
        self.queued_bytes + self.unwritten_bytes
    }
}

impl OutboundLimits {
    /// Frames that may wait, however short they are.
    fn max_frames(&self) -> usize {
        (self.max_queued_bytes / FRAME_OVERHEAD_BYTES).max(MIN_QUEUE_FRAMES)
    }

    fn check(&self, state: &Inner, pending: PendingSize, len: usize) -> Result<(), PushError> {
        if !matches!(state.closing, CloseState::Open) {
            return Err(PushError::Closed);
        }
        if len > self.max_frame {
            return Err(PushError::TooLarge(self.max_frame));
        }
        if self.overflow == OverflowPolicy::DropOldest {
            return Ok(());
        }
        let waiting = state.buffered_bytes() + pending.bytes;
        let is_full = waiting > 0 && waiting + len > self.max_queued_bytes;
        match is_full || state.queue.len() + pending.frames >= self.max_frames() {
            true => Err(PushError::Full),
            false => Ok(()),
        }
    }

    /// Takes out what has to give way to a frame of `len` bytes. What the socket has been handed is out of reach.
    fn evict_oldest(&self, state: &mut Inner, len: usize) -> Vec<Frame> {
        let mut dropped = Vec::new();
        while (state.queued_bytes + len > self.max_queued_bytes
            || state.queue.len() >= self.max_frames())
            && let Some(oldest) = state.queue.pop_front()
        {
            state.queued_bytes -= oldest.len();
            dropped.push(oldest);
        }
        dropped
    }
}

/// What waits is dropped: it would only delay the Close, and nobody reads it.
fn request_stalled_close(mut state: WakeMutexGuard<'_, Inner>) {
    if matches!(state.closing, CloseState::Open) {
        let fault = Fault::Client(ClientFault::SendQueueFull(state.buffered_bytes()));
        state.queue = VecDeque::new();
        state.queued_bytes = 0;
        state.closing = CloseState::Requested(fault.close_frame(), Some(fault));
        state.mark_dirty();
        wake_task(state);
    }
}

/// Wakes the connection's task, if it rests, after the lock is given back.
fn wake_task(state: WakeMutexGuard<'_, Inner>) {
    if let Some(waker) = state.unlock_and_take_waker() {
        deferred_wake::wake_or_defer(waker);
    }
}

#[cfg(test)]
mod tests;
