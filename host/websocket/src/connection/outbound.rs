//! The frames that wait for one socket, bounded in bytes.

use std::collections::VecDeque;
use std::task::Context;

use narrowboat_sync::{Guarded, Watched};

use narrowboat_config::Overflow;
use narrowboat_core::closure::Closure;
use narrowboat_core::fault::{ClientFault, Fault};
use narrowboat_core::frame::Frame;
use narrowboat_core::waking;

/// The bounds of one connection's queue.
#[derive(Debug, Clone, Copy)]
pub struct OutboundLimits {
    /// Bytes that wait; a single frame that is larger is taken when nothing waits.
    pub bytes: usize,
    /// The largest frame, in bytes.
    pub max_frame: usize,
    /// What happens at the bound.
    pub overflow: Overflow,
}

/// Why a frame was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The connection is closing or gone.
    Closed,
    /// The queue is at its bound.
    Full,
    /// The frame is larger than this many bytes, the most that one may have.
    TooLarge(usize),
}

/// What the socket gets next.
#[derive(Debug)]
pub(super) enum Next {
    Frame(Frame),
    /// And nothing after it; the fault is why, if it is one.
    Close(Closure, Option<Fault>),
}

/// A queue that any task may fill and only the connection drains.
#[derive(Debug)]
pub struct Outbound {
    limits: OutboundLimits,
    state: Watched<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Frame>,
    /// Bytes queued.
    queued: usize,
    /// Bytes handed to the socket and not known to be written.
    unwritten: usize,
    closing: Closing,
    stop: Stop,
    /// An order lies ready for the session, which does not know yet.
    summoned: bool,
}

/// What one call has for a connection already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queued {
    /// Frames.
    pub frames: usize,
    /// Their payload.
    pub bytes: usize,
}

#[derive(Debug, Default)]
enum Closing {
    #[default]
    No,
    /// A Close frame goes out behind what is queued; the fault is why, if it is one.
    Asked(Closure, Option<Fault>),
    /// It has gone out, or the socket is gone.
    Done,
}

/// Whether the host is stopping.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stop {
    #[default]
    No,
    Asked,
    /// The session knows.
    Told,
}

/// What the connection's task finds when it looks.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The closing that was asked for, while its Close has not gone out.
    pub(super) closing: Option<(Closure, Option<Fault>)>,
    /// What the session has to be told, of the host's stopping first.
    pub(super) word: Option<Word>,
    /// Bytes queued.
    pub(super) queued: usize,
    /// No closing was asked for.
    pub(super) open: bool,
}

/// What others have to tell a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// The host is stopping.
    Stop,
    /// An order lies ready.
    Summons,
}

/// What a queued frame takes beside its payload, about: a queue has no more frames than its bound has room for such.
const FRAME: usize = 64;

/// Frames that any queue has room for.
const FEW_FRAMES: usize = 16;

/// A queue that has grown past this many frames gives its memory back once it is empty.
const KEPT_CAPACITY: usize = 16;

impl Outbound {
    /// An empty queue, which allocates nothing until it is used.
    pub fn new(limits: OutboundLimits) -> Self {
        Self { limits, state: Watched::default() }
    }

    /// Whether a frame of `len` bytes would be taken, if so many were queued before it.
    ///
    /// # Errors
    /// What [`Outbound::push`] would answer.
    pub fn probe(&self, pending: Queued, len: usize) -> Result<(), Refused> {
        self.limits.check(&self.lock(), pending, len)
    }

    /// Whether an empty queue would take a frame of `len` bytes, if so many were queued before it.
    pub fn fits_alone(&self, pending: Queued, len: usize) -> bool {
        self.limits.check(&State::default(), pending, len).is_ok()
    }

    /// Queues a frame, and says how many older ones gave way to it. At the bound the policy `close` ends the
    /// connection with 1013.
    ///
    /// # Errors
    /// The frame is dropped.
    pub fn push(&self, frame: Frame) -> Result<usize, Refused> {
        let mut state = self.lock();
        match self.limits.check(&state, Queued::default(), frame.len()) {
            Ok(()) => {
                let dropped = self.limits.make_room(&mut state, frame.len());
                state.queued += frame.len();
                state.queue.push_back(frame);
                wake(state);
                Ok(dropped.len())
            }
            Err(Refused::Full) if self.closes_on_overflow() => {
                overflow(state);
                Err(Refused::Full)
            }
            Err(refused) => Err(refused),
        }
    }

    /// Whether the policy at the bound is to close.
    pub fn closes_on_overflow(&self) -> bool {
        self.limits.overflow == Overflow::Close
    }

    /// Ends the connection with 1013, since more was sent than its peer reads.
    pub fn overflow(&self) {
        overflow(self.lock());
    }

    /// Starts the closing handshake behind what is queued. The first to close decides the code.
    pub fn close(&self, closure: Closure) {
        self.ask(closure, None);
    }

    /// Closes because of a fault, as [`Outbound::close`].
    pub fn fail(&self, fault: Fault) {
        self.ask(fault.closure(), Some(fault));
    }

    fn ask(&self, closure: Closure, fault: Option<Fault>) {
        let mut state = self.lock();
        if matches!(state.closing, Closing::No) {
            state.closing = Closing::Asked(closure, fault);
            state.note();
            wake(state);
        }
    }

    /// Whether frames, or a Close, wait to be written.
    pub(super) fn has_more(&self) -> bool {
        let state = self.lock();
        state.buffered() > 0 || matches!(state.closing, Closing::Asked(..))
    }

    /// Bytes queued and not yet written to the socket.
    pub fn buffered(&self) -> usize {
        self.lock().buffered()
    }

    /// Whether the closing handshake has been asked for, or the socket is gone.
    pub fn is_closing(&self) -> bool {
        !matches!(self.lock().closing, Closing::No)
    }

    /// Tells the session that the host is stopping.
    pub fn stop(&self) {
        let mut state = self.lock();
        if state.stop == Stop::No {
            state.stop = Stop::Asked;
            state.note();
            wake(state);
        }
    }

    /// Tells the session that an order lies ready for it.
    pub fn summon(&self) {
        let mut state = self.lock();
        state.summoned = true;
        state.note();
        wake(state);
    }

    /// Has the connection's task look at what concerns it.
    pub(super) fn nudge(&self) {
        let mut state = self.lock();
        state.note();
        wake(state);
    }

    /// Looks at what was asked of the connection. Its own task is awake, so that what it queues from now on
    /// need not wake it.
    pub(super) fn look(&self) -> Found {
        let mut state = self.lock();
        let word = state.word();
        // Of two words the second is told by the next look.
        let again = state.summoned;
        state.look(again);
        let closing = match &state.closing {
            Closing::Asked(closure, fault) => Some((closure.clone(), fault.clone())),
            Closing::No | Closing::Done => None,
        };
        let open = matches!(state.closing, Closing::No);
        Found { closing, word, queued: state.queued, open }
    }

    /// What to write next; `written` tells that all that was taken before is. Where there is nothing, the task
    /// is woken when that changes.
    ///
    /// `mute` holds frames back while the connection is open. One that closes is not held back: what it had to say
    /// before goes out ahead of its Close.
    pub(super) fn take(&self, cx: &Context<'_>, written: bool, mute: bool) -> Option<Next> {
        let mut state = self.lock();
        if written {
            state.unwritten = 0;
        }
        if mute && matches!(state.closing, Closing::No) {
            state.rest(cx);
            return None;
        }
        if let Some(frame) = state.queue.pop_front() {
            state.queued -= frame.len();
            state.unwritten += frame.len();
            return Some(Next::Frame(frame));
        }
        if state.queue.capacity() > KEPT_CAPACITY {
            state.queue = VecDeque::new();
        }
        match std::mem::take(&mut state.closing) {
            Closing::Asked(closure, fault) => {
                state.closing = Closing::Done;
                return Some(Next::Close(closure, fault));
            }
            other => state.closing = other,
        }
        state.rest(cx);
        None
    }

    /// Has the task woken when anything changes.
    pub(super) fn listen(&self, cx: &Context<'_>) {
        self.lock().rest(cx);
    }

    /// The socket is gone: nothing more is taken.
    pub(super) fn shut(&self) {
        self.lock().reset(State { closing: Closing::Done, ..State::default() });
    }

    fn lock(&self) -> Guarded<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// What the session has to be told next; each is told once.
    fn word(&mut self) -> Option<Word> {
        if self.stop == Stop::Asked {
            self.stop = Stop::Told;
            return Some(Word::Stop);
        }
        std::mem::take(&mut self.summoned).then_some(Word::Summons)
    }

    fn buffered(&self) -> usize {
        self.queued + self.unwritten
    }
}

impl OutboundLimits {
    /// Frames that may wait, however short they are.
    fn frames(&self) -> usize {
        (self.bytes / FRAME).max(FEW_FRAMES)
    }

    fn check(&self, state: &State, pending: Queued, len: usize) -> Result<(), Refused> {
        if !matches!(state.closing, Closing::No) {
            return Err(Refused::Closed);
        }
        if len > self.max_frame {
            return Err(Refused::TooLarge(self.max_frame));
        }
        if self.overflow == Overflow::DropOldest {
            return Ok(());
        }
        let waiting = state.buffered() + pending.bytes;
        let is_full = waiting > 0 && waiting + len > self.bytes;
        match is_full || state.queue.len() + pending.frames >= self.frames() {
            true => Err(Refused::Full),
            false => Ok(()),
        }
    }

    /// Takes out what has to give way to a frame of `len` bytes. What the socket has been handed is out of reach.
    fn make_room(&self, state: &mut State, len: usize) -> Vec<Frame> {
        let mut dropped = Vec::new();
        while (state.queued + len > self.bytes || state.queue.len() >= self.frames())
            && let Some(oldest) = state.queue.pop_front()
        {
            state.queued -= oldest.len();
            dropped.push(oldest);
        }
        dropped
    }
}

/// What waits is dropped: it would only delay the Close, and nobody reads it.
fn overflow(mut state: Guarded<'_, State>) {
    if matches!(state.closing, Closing::No) {
        let fault = Fault::Client(ClientFault::Stalled(state.buffered()));
        state.queue = VecDeque::new();
        state.queued = 0;
        state.closing = Closing::Asked(fault.closure(), Some(fault));
        state.note();
        wake(state);
    }
}

/// Wakes the connection's task, if it rests, after the lock is given back.
fn wake(state: Guarded<'_, State>) {
    if let Some(waker) = state.wake() {
        waking::wake(waker);
    }
}

#[cfg(test)]
mod tests;
