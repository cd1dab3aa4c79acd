//! A message or a frame in a mailbox.

use narrowboat_core::frame::Frame;
use narrowboat_core::message::Message;

/// An item of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A message for the consumer's `handle`.
    Message(Message),
    /// A frame for the consumer's socket. It does not enter the guest.
    Frame(Frame),
}

impl Delivery {
    /// Returns the length of the payload in bytes, which is what counts against a limit in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Message(message) => message.len(),
            Self::Frame(frame) => frame.len(),
        }
    }

    /// Whether the payload is empty. Only a frame can have an empty payload.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
