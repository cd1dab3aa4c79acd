//! The frames that wait for one socket, bounded in bytes.

use std::collections::VecDeque;
use std::task::Context;

use narrowboat_sync::{Guarded, Watched};

use crate::closure::Closure;
use crate::config::Overflow;
use crate::fault::{ClientFault, Fault};
use crate::frame::Frame;
use crate::waking;

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
    /// `mute` holds frames back while the connection is open. One that closes has its say: what it had to say before
    /// goes out ahead of its Close, except where there was too much of that.
    pub(super) fn take(&self, cx: &Context<'_>, written: bool, mute: bool) -> Option<Next> {
        let mut state = self.lock();
        if written {
            state.unwritten = 0;
        }
        match &state.closing {
            Closing::No if mute => {
                state.rest(cx);
                return None;
            }
            Closing::Asked(_, Some(Fault::Client(ClientFault::Stalled(_)))) if mute => {
                state.queue = VecDeque::new();
                state.queued = 0;
            }
            Closing::No | Closing::Asked(..) | Closing::Done => {}
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
mod tests {
    use std::task::Waker;

    use super::*;

    fn outbound(overflow: Overflow) -> Outbound {
        Outbound::new(OutboundLimits { bytes: 10, max_frame: 20, overflow })
    }

    fn pending(bytes: usize) -> Queued {
        Queued { frames: 1, bytes }
    }

    fn text(len: usize) -> Frame {
        Frame::Text("x".repeat(len).into())
    }

    #[test]
    fn frames_count_however_short_they_are() {
        for overflow in [Overflow::Refuse, Overflow::DropOldest] {
            let outbound = outbound(overflow);
            for _ in 0..FEW_FRAMES {
                assert_eq!(outbound.push(text(0)), Ok(0));
            }
            let more = outbound.push(text(0));
            assert_eq!(more, if overflow == Overflow::Refuse { Err(Refused::Full) } else { Ok(1) });
        }
        let pending = Queued { frames: FEW_FRAMES, bytes: 0 };
        assert_eq!(outbound(Overflow::Refuse).probe(pending, 0), Err(Refused::Full));
    }

    #[test]
    fn the_bound_counts_bytes() {
        let outbound = outbound(Overflow::Refuse);
        assert_eq!(outbound.push(text(6)), Ok(0));
        assert_eq!(outbound.push(text(5)), Err(Refused::Full));
        assert_eq!(outbound.push(text(4)), Ok(0));
        assert_eq!(outbound.buffered(), 10);
    }

    #[test]
    fn a_frame_larger_than_the_queue_is_taken_when_nothing_waits() {
        let outbound = outbound(Overflow::Refuse);
        assert_eq!(outbound.push(text(15)), Ok(0));
        assert_eq!(outbound.push(text(1)), Err(Refused::Full));
        assert_eq!(outbound.push(text(21)), Err(Refused::TooLarge(20)));
    }

    #[test]
    fn the_policy_close_ends_the_connection_at_the_bound() {
        let outbound = outbound(Overflow::Close);
        assert_eq!(outbound.push(text(10)), Ok(0));
        assert_eq!(outbound.push(text(1)), Err(Refused::Full));
        assert!(outbound.is_closing());
        assert_eq!(outbound.push(text(1)), Err(Refused::Closed));
    }

    #[test]
    fn the_policy_drop_oldest_makes_room_for_what_is_new() {
        let outbound = outbound(Overflow::DropOldest);
        assert_eq!(
            [4, 4, 4, 7, 15].map(|len| outbound.push(text(len))),
            [Ok(0), Ok(0), Ok(1), Ok(2), Ok(1)]
        );
        assert_eq!(outbound.buffered(), 15);
        assert_eq!(outbound.push(text(21)), Err(Refused::TooLarge(20)));
        assert_eq!(outbound.probe(pending(100), 20), Ok(()));
        assert!(!outbound.is_closing());
    }

    #[test]
    fn the_first_to_close_decides_the_code() {
        let outbound = outbound(Overflow::Close);
        outbound.close(Closure::new(4000, "bye"));
        outbound.close(Closure::new(4001, "late"));
        let found = outbound.look();
        assert_eq!(found.closing.map(|(closure, _)| closure.code), Some(4000));
    }

    #[test]
    fn a_probe_counts_what_the_call_has_sent_already() {
        let outbound = outbound(Overflow::Close);
        assert_eq!(outbound.probe(pending(6), 4), Ok(()));
        assert_eq!(outbound.probe(pending(6), 5), Err(Refused::Full));
        assert!(!outbound.is_closing());
    }

    /// What is taken by a connection whose plugin has said enough.
    fn taken_mute(outbound: &Outbound) -> Vec<String> {
        let cx = Context::from_waker(Waker::noop());
        let next = std::iter::from_fn(|| outbound.take(&cx, true, true));
        let text = |next| match next {
            Next::Frame(frame) => format!("{} bytes", frame.len()),
            Next::Close(closure, _) => closure.code.to_string(),
        };
        next.map(text).collect()
    }

    #[test]
    fn no_rate_withholds_a_close_and_what_was_said_before_it() {
        let outbound = outbound(Overflow::Close);
        outbound.push(Frame::Binary(vec![0; 3].into())).unwrap();
        assert!(taken_mute(&outbound).is_empty());
        outbound.close(Closure::new(4000, "bye"));
        assert_eq!(taken_mute(&outbound), ["3 bytes", "4000"]);
        assert_eq!(outbound.buffered(), 0);
    }

    #[test]
    fn what_is_too_much_for_a_rate_is_dropped_before_the_close() {
        let outbound = outbound(Overflow::Close);
        outbound.push(Frame::Binary(vec![0; 8].into())).unwrap();
        assert_eq!(outbound.push(Frame::Binary(vec![0; 8].into())), Err(Refused::Full));
        assert_eq!(taken_mute(&outbound), ["1013"]);
        assert_eq!(outbound.buffered(), 0);
    }
}
