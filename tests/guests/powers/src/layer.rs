//! The commands of the channel layer.

use narrowboat_guest::prelude::*;

use crate::Message;

/// Runs a command and returns the reply. `None` if the command is another one.
pub(crate) fn run(connection: &Connection, command: &str, rest: &str) -> Option<String> {
    let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let channel = if text.is_empty() { connection.channel_name() } else { text };
    let message = Message::Text { text: text.to_owned() };
    let result = match command {
        "channel" => return Some(connection.channel_name().to_owned()),
        // join GROUP [CHANNEL], leave GROUP [CHANNEL]
        "join" => ChannelLayer::group_add(name, channel),
        "leave" => ChannelLayer::group_discard(name, channel),
        // tell GROUP TEXT
        "tell" => ChannelLayer::group_send(name, &message),
        // frame GROUP TEXT, bytes GROUP TEXT: a frame for each socket
        "frame" => ChannelLayer::group_send_frame(name, text),
        "bytes" => ChannelLayer::group_send_frame(name, text.as_bytes().to_vec()),
        // send CHANNEL TEXT
        "send" => ChannelLayer::send(name, &message),
        // large CHANNEL BYTES: a message of this size
        "large" => {
            let text = "x".repeat(text.parse().unwrap_or_default());
            ChannelLayer::send(name, &Message::Text { text })
        }
        // double CHANNEL NUMBER: asks a worker
        "double" => {
            let (number, reply_to) = (text.parse().ok()?, connection.channel_name().to_owned());
            ChannelLayer::send(name, &Message::Double { number, reply_to })
        }
        // unknown CHANNEL: a message of a type that no consumer has
        "unknown" => ChannelLayer::send(name, &serde_json::json!({ "type": "powers.unknown" })),
        _ => return None,
    };
    Some(match result {
        Ok(()) => "ok".to_owned(),
        Err(error) => format!("error: {}", kind_of(&error)),
    })
}

fn kind_of(error: &ChannelLayerError) -> &'static str {
    match error {
        ChannelLayerError::ChannelFull(_) => "full",
        ChannelLayerError::InvalidName(_) => "invalid name",
        ChannelLayerError::InvalidMessage(_) => "invalid message",
        ChannelLayerError::TooLarge(_) => "too large",
        ChannelLayerError::Denied(_) => "denied",
        ChannelLayerError::Unavailable(_) => "unavailable",
        _ => "other",
    }
}
