//! Messages from the layer itself to consumers.

use bytes::Bytes;

use narrowboat_core::message::{Message, MessageError};
use narrowboat_core::name::GroupName;

/// The group of consumers that get a message when the layer loses its backend (`layer.disconnected`) and when it is
/// connected again (`layer.reconnected`). Each process has its own such group, to which other processes cannot send.
pub const LAYER_EVENTS_GROUP: &str = "narrowboat.layer";

/// Returns the message for a layer that was connected or disconnected.
pub(super) fn connection_change_message(connected: bool) -> Result<Message, MessageError> {
    let message: &[u8] = match connected {
        true => b"\x81\xa4type\xb1layer.reconnected",
        false => b"\x81\xa4type\xb2layer.disconnected",
    };
    Message::parse(Bytes::from_static(message), message.len())
}

/// Whether a group belongs to this process alone.
pub(super) fn is_process_local_group(group: &GroupName) -> bool {
    group.as_str() == LAYER_EVENTS_GROUP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_change_has_its_own_message() {
        assert_eq!(connection_change_message(true).unwrap().message_type(), "layer.reconnected");
        assert_eq!(connection_change_message(false).unwrap().message_type(), "layer.disconnected");
    }
}
