use std::{cell::OnceCell, fmt, rc::Rc, time::Duration};

use serde::Serialize;

use crate::{
    bindings::narrowboat::consumer::connections,
    error::Error,
    frame::Frame,
    scope::Scope,
    timer::{self, TimerId},
};

/// A client's connection. Cloning one is cheap and names the same connection.
///
/// What is done to it takes effect, in order, when the consumer's method returns, and not at all if
/// that traps. A connection that lives in a version's memory does not move to the next one: list it
/// again in [`Consumer::after_restore`](crate::Consumer::after_restore). Dropping one closes nothing.
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

    /// Another live connection of this same instance, by its channel name.
    pub fn find(channel_name: &str) -> Option<Self> {
        connections::find(channel_name).map(Self::new)
    }

    /// The channel on which this connection's consumer gets its messages.
    pub fn channel_name(&self) -> &str {
        self.0.channel_name.get_or_init(|| self.0.handle.channel_name())
    }

    /// What its handshake told, copied into the guest anew each time; `None` once the connection is
    /// gone.
    pub fn scope(&self) -> Option<Scope> {
        self.0.handle.scope().map(Scope::from)
    }

    /// Queues a frame. In `connect` it waits until the handshake is answered.
    ///
    /// # Errors
    /// When the connection is closing or gone, its queue is full and the plugin's policy is to
    /// refuse, or the frame is too large.
    pub fn send(&self, frame: impl Into<Frame>) -> Result<(), SendError> {
        self.0.handle.send(&frame.into().into()).map_err(SendError::from)
    }

    /// Queues `value` as JSON in a text frame.
    ///
    /// # Errors
    /// As [`Connection::send`], and when `value` has no form in JSON.
    pub fn send_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), Error> {
        Ok(self.send(serde_json::to_string(value)?)?)
    }

    /// Bytes queued and not yet written to the socket, those of the running call included.
    pub fn buffered_amount(&self) -> u64 {
        self.0.handle.buffered_amount()
    }

    /// Closes the connection after what is queued; a second close changes nothing.
    ///
    /// `code` is 1000 or 3000 to 4999 and `reason` has at most 123 bytes: anything else closes with
    /// 1011 and counts as a fault. In `connect` it denies the handshake with 403.
    pub fn close(&self, code: u16, reason: &str) {
        self.0.handle.close(code, reason);
    }

    /// Calls [`Consumer::timer`](crate::Consumer::timer) once, no sooner than `delay` from now,
    /// rounded up to a millisecond and at most 49 days. A timer outlives the version that set it.
    ///
    /// # Errors
    /// When the connection is closing or gone, or has as many timers as it may have.
    pub fn set_timer(&self, delay: Duration) -> Result<TimerId, SendError> {
        Ok(TimerId(self.0.handle.set_timer(timer::delay_milliseconds(delay))?))
    }

    /// Forgets a timer. One that has fired, or never was, is no error.
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

/// Queues one frame for many connections, which costs less than as many sends. Returns how many
/// took it.
pub fn send_many<'a>(to: impl IntoIterator<Item = &'a Connection>, frame: impl Into<Frame>) -> u32 {
    let handles: Vec<_> = to.into_iter().map(|connection| &connection.0.handle).collect();
    connections::send_many(&handles, &frame.into().into())
}

/// Why a connection did not take something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// It is closing or gone, or the handle is from before a swap.
    Closed,
    /// Its queue is at its bound and the plugin's policy is to refuse.
    Backpressure,
    /// The frame is larger than this many bytes, the most that is allowed.
    TooLarge(u64),
    /// Something else, in words.
    Other(String),
}

impl fmt::Display for SendError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => formatter.write_str("the connection is closed"),
            Self::Backpressure => formatter.write_str("the connection's queue is full"),
            Self::TooLarge(limit) => write!(formatter, "the frame is larger than {limit} bytes"),
            Self::Other(why) => formatter.write_str(why),
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
            connections::SendError::Other(why) => Self::Other(why),
        }
    }
}
