//! Requests of other tasks to a connection and its session.

use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::Fault;

/// The requests of other tasks to a connection and its session. The connection's task takes them when it is polled.
#[derive(Debug, Default)]
pub(super) struct ControlSignals {
    close: CloseState,
    stop: StopState,
    /// Whether a command waits that the session has not been told about.
    is_command_pending: bool,
}

/// A request to close a connection.
#[derive(Debug, Clone)]
pub(super) struct PendingClose {
    pub(super) close_frame: CloseFrame,
    /// The fault that caused the request, if one did.
    pub(super) fault: Option<Fault>,
}

/// A signal for the session of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ControlSignal {
    /// The host is stopping.
    Stop,
    /// A command waits for the session.
    CommandPending,
}

/// Whether a connection accepts frames.
///
/// ```text
///     new --> Open -- request_close --> Requested -- take_close --> Closed
///               |                           |                         ^
///               +---------------------------+---- socket closed ------+
/// ```
#[derive(Debug, Default)]
enum CloseState {
    /// Frames are accepted.
    #[default]
    Open,
    /// A Close frame follows the queued frames. No more frames are accepted. Boxed, so that an open connection has no room
    /// for it.
    Requested(Box<PendingClose>),
    /// The Close frame has been taken, or the socket is closed.
    Closed,
}

/// Whether the host is stopping.
///
/// ```text
///     new --> NotRequested -- request_stop --> Requested -- take_signal --> Delivered
/// ```
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum StopState {
    #[default]
    NotRequested,
    Requested,
    /// The session has been told.
    Delivered,
}

impl ControlSignals {
    /// Returns the signals of a connection whose socket is closed.
    pub(super) fn closed() -> Self {
        Self { close: CloseState::Closed, ..Self::default() }
    }

    /// Requests the closing handshake. Returns false if it has been requested before: the first request counts.
    pub(super) fn request_close(&mut self, request: PendingClose) -> bool {
        if !self.is_open() {
            return false;
        }
        self.close = CloseState::Requested(Box::new(request));
        true
    }

    /// Requests that the session stops. Returns false if this has been requested before.
    pub(super) fn request_stop(&mut self) -> bool {
        if self.stop != StopState::NotRequested {
            return false;
        }
        self.stop = StopState::Requested;
        true
    }

    /// Announces a command to the session.
    pub(super) fn announce_command(&mut self) {
        self.is_command_pending = true;
    }

    /// Takes the next signal for the session. A stop comes before a command.
    pub(super) fn take_signal(&mut self) -> Option<ControlSignal> {
        if self.stop == StopState::Requested {
            self.stop = StopState::Delivered;
            return Some(ControlSignal::Stop);
        }
        std::mem::take(&mut self.is_command_pending).then_some(ControlSignal::CommandPending)
    }

    /// Returns whether a signal remains after [`take_signal`](Self::take_signal). It can only be a command.
    pub(super) fn has_signal(&self) -> bool {
        self.is_command_pending
    }

    /// Takes the request to close, once all frames before the Close have been taken.
    pub(super) fn take_close(&mut self) -> Option<PendingClose> {
        match std::mem::take(&mut self.close) {
            CloseState::Requested(request) => {
                self.close = CloseState::Closed;
                Some(*request)
            }
            state => {
                self.close = state;
                None
            }
        }
    }

    /// Returns the request to close, until it is taken.
    pub(super) fn close_request(&self) -> Option<&PendingClose> {
        match &self.close {
            CloseState::Requested(request) => Some(request),
            CloseState::Open | CloseState::Closed => None,
        }
    }

    /// Returns whether the connection accepts frames.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.close, CloseState::Open)
    }
}
