use std::fmt;
use std::rc::Rc;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    backend::SharedBackend,
    event_queue::EventQueue,
    failure::expect,
    handshake::{Handshake, Rejection},
    received::Received,
};
use crate::{close_frame::CloseFrame, frame::Frame};

/// The client of a connection of a test. In Django Channels: `channels.testing.WebsocketCommunicator`.
///
/// An operation returns when the plugin has nothing left to do. So a frame has arrived, or it will not arrive until the
/// test does something: no operation waits. Operations that fail panic, and the message names the line of the test.
pub struct Communicator {
    backend: SharedBackend,
    connection: u32,
    events: EventQueue<Received>,
}

impl Communicator {
    pub(super) fn new(backend: &SharedBackend, connection: u32) -> Self {
        Self { backend: Rc::clone(backend), connection, events: EventQueue::new() }
    }

    /// The handshake as it is now. A consumer that has decided later has accepted or rejected it meanwhile.
    #[track_caller]
    pub fn handshake(&self) -> Handshake {
        expect(self.backend.borrow_mut().handshake(self.connection))
    }

    /// The subprotocol that the consumer chose.
    ///
    /// # Panics
    /// If the handshake is not accepted.
    #[track_caller]
    pub fn subprotocol(&self) -> Option<String> {
        match self.handshake() {
            Handshake::Accepted { subprotocol, .. } => subprotocol,
            other => panic!("the handshake is not accepted: {other:?}"),
        }
    }

    /// Returns the rejection of a handshake that the consumer decided later.
    ///
    /// # Panics
    /// If the handshake is not rejected.
    #[track_caller]
    pub fn rejection(&self) -> Rejection {
        match self.handshake() {
            Handshake::Rejected(rejection) => rejection,
            other => panic!("the handshake is not rejected: {other:?}"),
        }
    }

    /// The name of the connection's channel. In the plugin:
    /// [`Connection::channel_name`](crate::Connection::channel_name).
    #[track_caller]
    pub fn channel_name(&self) -> String {
        expect(self.backend.borrow_mut().channel_name(self.connection))
    }

    /// Sends a frame to the plugin: a text if it is a string, and a binary frame if it is bytes.
    ///
    /// # Panics
    /// If the connection is not open.
    #[track_caller]
    pub fn send_to(&self, frame: impl Into<Frame>) {
        expect(self.backend.borrow_mut().send(self.connection, frame.into()));
    }

    /// Sends a value as JSON in a text frame.
    ///
    /// # Panics
    /// If the connection is not open, or the value cannot be written as JSON.
    #[track_caller]
    pub fn send_json_to<T: Serialize + ?Sized>(&self, value: &T) {
        self.send_to(expect(serde_json::to_string(value)));
    }

    /// Takes the next frame or the Close frame. `None` if nothing has arrived.
    ///
    /// # Panics
    /// If the handshake is not accepted.
    #[track_caller]
    pub fn receive(&self) -> Option<Received> {
        expect(self.events.take(|| self.backend.borrow_mut().receive(self.connection)))
    }

    /// Takes the next frame.
    ///
    /// # Panics
    /// If nothing has arrived, or if the connection has been closed.
    #[track_caller]
    pub fn receive_from(&self) -> Frame {
        match self.receive() {
            Some(Received::Frame(frame)) => frame,
            Some(Received::Close(close)) => panic!(
                "a frame was expected, but the connection is closed with {} {:?}{}",
                close.code,
                close.reason,
                self.describe_faults()
            ),
            None => {
                panic!("a frame was expected, but nothing has arrived{}", self.describe_faults())
            }
        }
    }

    /// Takes the text of the next frame.
    ///
    /// # Panics
    /// If the next event is not a text frame.
    #[track_caller]
    pub fn receive_text_from(&self) -> String {
        match self.receive_from() {
            Frame::Text(text) => text,
            Frame::Binary(bytes) => {
                panic!("a text was expected, but bytes have arrived: {bytes:?}")
            }
        }
    }

    /// Takes the next frame and parses its JSON.
    ///
    /// # Panics
    /// If no frame has arrived, or if its JSON does not match `T`.
    #[track_caller]
    pub fn receive_json_from<T: DeserializeOwned>(&self) -> T {
        let frame = self.receive_from();
        match serde_json::from_slice(frame.as_bytes()) {
            Ok(value) => value,
            Err(error) => panic!("{frame:?} is not the JSON that was expected: {error}"),
        }
    }

    /// Whether nothing has arrived, neither a frame nor a Close frame. An event that has arrived stays.
    #[track_caller]
    #[must_use]
    pub fn receive_nothing(&self) -> bool {
        expect(self.events.is_empty(|| self.backend.borrow_mut().receive(self.connection)))
    }

    /// Takes the Close frame of the plugin or the host: that of its close, or its answer to that of the client.
    ///
    /// # Panics
    /// If a frame comes before it, or if the connection is open.
    #[track_caller]
    pub fn receive_close_frame(&self) -> CloseFrame {
        match self.receive() {
            Some(Received::Close(close)) => close,
            Some(Received::Frame(frame)) => {
                panic!("a Close frame was expected, but a frame has arrived: {frame:?}")
            }
            None => panic!("a Close frame was expected, but the connection is open"),
        }
    }

    /// Closes the connection as a client does, and returns when the consumer's `disconnect` has returned. The host
    /// answers with a Close frame, which comes after the frames that the client has not received yet.
    #[track_caller]
    pub fn disconnect(&self, code: u16, reason: &str) {
        let close = CloseFrame { code, reason: reason.to_owned() };
        expect(self.backend.borrow_mut().disconnect(self.connection, &close));
    }

    /// Ends the connection without a Close frame, as a client does that loses its network. The consumer's `disconnect`
    /// gets the code 1006.
    #[track_caller]
    pub fn abort(self) {
        expect(self.backend.borrow_mut().abort(self.connection));
    }

    /// The faults of the plugin, for the message of a panic.
    fn describe_faults(&self) -> String {
        match self.backend.borrow_mut().faults() {
            Ok(faults) if !faults.is_empty() => format!("; faults of the plugin: {faults:?}"),
            _ => String::new(),
        }
    }
}

/// `unwrap_err` of a connect prints this.
impl fmt::Debug for Communicator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Communicator").field(&self.connection).finish()
    }
}
