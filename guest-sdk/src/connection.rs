use std::{cell::OnceCell, fmt, rc::Rc, time::Duration};

use serde::Serialize;

use crate::{
    error::Error,
    frame::Frame,
    handshake::{Acceptance, Deny},
    imports::connections,
    scope::Scope,
    timer::{self, TimerId},
};

/// A handle to a client's connection. A clone is cheap and refers to the same connection.
///
/// Operations take effect in order when the consumer's method returns. If the method traps, none of them take effect. A
/// handle is valid in one version only. To keep handles in the module's memory across versions, store the connection
/// again in [`Consumer::after_restore`](crate::Consumer::after_restore). Dropping a handle does not close the
/// connection.
#[derive(Clone)]
pub struct Connection(Rc<Inner>);

struct Inner {
    handle: connections::Connection,
    channel_name: OnceCell<String>,
}

impl Connection {
    pub(crate) fn new(handle: connections::Connection) -> Self {
        Self(Rc::new(Inner { handle, channel_name: OnceCell::new() }))
    }

    pub(crate) fn handle(&self) -> &connections::Connection {
        &self.0.handle
    }

    /// Finds a live connection of the same instance by its channel name.
    pub fn find(channel_name: &str) -> Option<Self> {
        connections::find(channel_name).map(Self::new)
    }

    /// The name of this connection's own channel. Messages sent to it arrive in
    /// [`Consumer::handle`](crate::Consumer::handle). In Django Channels: `self.channel_name`.
    pub fn channel_name(&self) -> &str {
        self.0.channel_name.get_or_init(|| self.0.handle.channel_name())
    }

    /// The [`Scope`] of the handshake, or `None` if the connection no longer exists. Each call copies it into the
    /// guest. In Django Channels: `self.scope`.
    pub fn scope(&self) -> Option<Scope> {
        self.0.handle.scope().map(Scope::from)
    }

    /// Queues a frame for the client. In `connect`, the frame waits until the handshake response is sent. In Django
    /// Channels: `self.send`.
    ///
    /// # Errors
    /// A [`SendError`] if the connection is closing or closed, if its outbound queue is full and the plugin has
    /// `overflow = "refuse"`, or if the frame is too large.
    pub fn send(&self, frame: impl Into<Frame>) -> Result<(), SendError> {
        self.0.handle.send(&frame.into().into()).map_err(SendError::from)
    }

    /// Queues `value` as JSON in a text frame. In Django Channels: `self.send_json`.
    ///
    /// # Errors
    /// The errors of [`Connection::send`], and an error if `value` cannot be written as JSON.
    pub fn send_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), Error> {
        Ok(self.send(serde_json::to_string(value)?)?)
    }

    /// The number of bytes that are queued and not yet written to the socket, including those of the running call.
    pub fn buffered_amount(&self) -> u64 {
        self.0.handle.buffered_amount()
    }

    /// Closes the connection after the queued frames are written. A second call has no effect. In Django Channels:
    /// `self.close`.
    ///
    /// `code` is 1000 or 3000 to 4999, and `reason` has at most 123 bytes. Any other value closes the connection with
    /// 1011 and counts as a fault. If `connect` calls this and accepts, the connection closes right after the handshake.
    pub fn close(&self, code: u16, reason: &str) {
        self.0.handle.close(code, reason);
    }

    /// Accepts a handshake that [`Consumer::connect`](crate::Consumer::connect) left open with
    /// [`decide_later`](crate::decide_later). Only the first of `accept` and `reject` has an effect.
    pub fn accept(&self, acceptance: Acceptance) {
        self.0.handle.accept(&acceptance.into());
    }

    /// Rejects a handshake that [`Consumer::connect`](crate::Consumer::connect) left open with
    /// [`decide_later`](crate::decide_later). The consumer is dropped, without
    /// [`Consumer::disconnect`](crate::Consumer::disconnect).
    pub fn reject(&self, response: Deny) {
        self.0.handle.reject(&response.into());
    }

    /// Sets a timer that calls [`Consumer::timer`](crate::Consumer::timer) once, not before `delay` has passed. `delay`
    /// is rounded up to a millisecond; the longest is 49 days. A timer stays set when the consumer moves to another
    /// version.
    ///
    /// # Errors
    /// A [`SendError`] if the connection is closing or closed, or if the number of its timers is at the limit.
    pub fn set_timer(&self, delay: Duration) -> Result<TimerId, SendError> {
        Ok(TimerId(self.0.handle.set_timer(timer::delay_milliseconds(delay))?))
    }

    /// Clears a timer. Does nothing if it has fired or does not exist.
    pub fn clear_timer(&self, timer: TimerId) {
        self.0.handle.clear_timer(timer.0);
    }
}

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0) || self.channel_name() == other.channel_name()
    }
}

impl Eq for Connection {}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Connection").field(&self.channel_name()).finish()
    }
}

/// Queues one frame for many connections. It copies the frame out of the guest once, so it costs less than one
/// [`Connection::send`] for each. Returns the number of connections that accepted the frame.
pub fn send_many<'a>(to: impl IntoIterator<Item = &'a Connection>, frame: impl Into<Frame>) -> u32 {
    let handles: Vec<_> = to.into_iter().map(|connection| &connection.0.handle).collect();
    connections::send_many(&handles, &frame.into().into())
}

/// Why a connection refused a frame or a timer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is closing or closed, or the handle belongs to another version.
    Closed,
    /// The outbound queue is full, and the plugin has `overflow = "refuse"`.
    Backpressure,
    /// The frame is larger than the limit, which is this many bytes.
    TooLarge(u64),
    /// Another error, described by this text.
    Other(String),
}

impl fmt::Display for SendError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => formatter.write_str("the connection is closed"),
            Self::Backpressure => formatter.write_str("the connection's queue is full"),
            Self::TooLarge(limit) => write!(formatter, "the frame is larger than {limit} bytes"),
            Self::Other(text) => formatter.write_str(text),
        }
    }
}

impl std::error::Error for SendError {}

impl From<connections::SendError> for SendError {
    fn from(error: connections::SendError) -> Self {
        match error {
            connections::SendError::Closed => Self::Closed,
            connections::SendError::Backpressure => Self::Backpressure,
            connections::SendError::TooLarge(limit) => Self::TooLarge(limit),
            connections::SendError::Other(text) => Self::Other(text),
        }
    }
}
