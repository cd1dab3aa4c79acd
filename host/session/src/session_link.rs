//! The client's side of a session.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use super::dedicated::FailedTurn;
use super::pending_call::CallFuture;
use narrowboat_channels::Delivery;
use narrowboat_core::frame::Frame;
use narrowboat_runtime::Instance;
use narrowboat_websocket::connection::{ConnectionHandle, TimerId};

/// An event of a session. `E` is the end of the session.
pub(super) enum SessionEvent<E> {
    Frame(Frame),
    Delivery(Delivery),
    Timer(TimerId),
    /// A command of a rollout is pending.
    Command,
    /// A move that the guest has postponed has to be forced.
    MoveDue,
    /// The connection may have been idle for long enough to hibernate.
    Idle,
    /// The instance died of a call that another task made while the session rested.
    FailedTurn(Box<FailedTurn>),
    End(E),
}

/// Whether a session may take deliveries and timers.
pub(super) enum LinkState<E> {
    Open,
    /// The connection is closing: its consumer gets no further frames, messages or timers.
    Closing,
    /// Another task has a request for the session.
    Requested(SessionEvent<E>),
}

/// The client's side of a session: a socket, or a handshake that is undecided.
pub(super) trait SessionLink: Send {
    /// The end of a session.
    type End: Send;

    /// Takes the next event that came while the guest was busy.
    fn take_event(&mut self, control: &ConnectionHandle) -> Option<SessionEvent<Self::End>>;

    /// Takes the requests of other tasks. Later requests wake the task.
    fn poll_state(
        &mut self,
        control: &ConnectionHandle,
        cx: &mut Context<'_>,
    ) -> LinkState<Self::End>;

    /// Polls for an event of the client, and writes queued frames if there is none.
    fn poll_client(&mut self, cx: &mut Context<'_>) -> Poll<SessionEvent<Self::End>>;

    /// Polls for a message that came in the same read as the last one, without a look at requests, deliveries and timers.
    /// Pending if one of them may have to come first.
    fn poll_read_message(&mut self, cx: &mut Context<'_>) -> Poll<SessionEvent<Self::End>>;

    /// Takes at most `max` messages that came in the same read as the last one, and come before all other events of the
    /// client. Empty if requests, deliveries or timers may have to come first.
    fn take_read_messages(&mut self, max: usize) -> VecDeque<Frame>;

    /// Puts back the frames that a call has left, before all others.
    fn put_back(&mut self, frames: VecDeque<Frame>);

    /// Serves the client until `work` in the instance ends, and returns the result of the work.
    fn serve_while<T: Send>(
        &mut self,
        work: CallFuture<T>,
    ) -> impl Future<Output = (T, Option<Box<Instance>>)> + Send;

    /// Whether the client has closed the connection while the guest was busy, and not because of a fault.
    fn has_peer_closed(&self) -> bool;

    /// Drops the frames that came while the guest was busy.
    fn discard_frames(&mut self);
}
