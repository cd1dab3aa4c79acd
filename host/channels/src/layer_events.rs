//! What a layer tells consumers of itself.

use bytes::Bytes;

use narrowboat_core::message::{Message, MessageError};

/// The group of those who want to be told that the layer went away (`layer.disconnected`) or is back
/// (`layer.reconnected`). It is each process's own: nothing can be sent to it from elsewhere.
pub const LAYER_EVENTS_GROUP: &str = "narrowboat.layer";

/// The message that tells of a layer that is, or is not, connected.
pub(super) fn of(connected: bool) -> Result<Message, MessageError> {
    let message: &[u8] = match connected {
        true => b"\x81\xa4type\xb1layer.reconnected",
        false => b"\x81\xa4type\xb2layer.disconnected",
    };
    Message::parse(Bytes::from_static(message), message.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_has_its_message() {
        assert_eq!(of(true).unwrap().message_type(), "layer.reconnected");
        assert_eq!(of(false).unwrap().message_type(), "layer.disconnected");
    }
}
