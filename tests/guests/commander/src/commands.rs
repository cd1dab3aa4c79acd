use std::time::Duration;

use narrowboat_guest::prelude::*;

use crate::{Message, hex};

type CommandHandler = fn(&Connection, &str) -> Result<String, Error>;

/// The commands by their first word. Each handler gets the rest of the text and returns the reply.
const COMMANDS: &[(&str, CommandHandler)] = &[
    // channel
    ("channel", |connection, _| Ok(connection.channel_name().to_owned())),
    // send CHANNEL TEXT
    ("send", |_, rest| {
        let (channel, text) = split_first_word(rest);
        ok_reply(ChannelLayer::send(channel, &text_message(text)))
    }),
    // send-raw CHANNEL HEX
    ("send-raw", |_, rest| {
        let (channel, digits) = split_first_word(rest);
        ok_reply(ChannelLayer::send_bytes(channel, &hex::decode(digits)?))
    }),
    // add GROUP [CHANNEL]
    ("add", |connection, rest| {
        let (group, channel) = parse_membership(connection, rest);
        ok_reply(ChannelLayer::group_add(group, channel))
    }),
    // discard GROUP [CHANNEL]
    ("discard", |connection, rest| {
        let (group, channel) = parse_membership(connection, rest);
        ok_reply(ChannelLayer::group_discard(group, channel))
    }),
    // group-send GROUP TEXT
    ("group-send", |_, rest| {
        let (group, text) = split_first_word(rest);
        ok_reply(ChannelLayer::group_send(group, &text_message(text)))
    }),
    // group-send-raw GROUP HEX
    ("group-send-raw", |_, rest| {
        let (group, digits) = split_first_word(rest);
        ok_reply(ChannelLayer::group_send_bytes(group, &hex::decode(digits)?))
    }),
    // group-mixed GROUP N
    ("group-mixed", |_, rest| {
        let (group, count) = split_first_word(rest);
        send_interleaved(group, count.parse()?)
    }),
    // frame GROUP TEXT
    ("frame", |_, rest| {
        let (group, text) = split_first_word(rest);
        ok_reply(ChannelLayer::group_send_frame(group, text))
    }),
    // timer MS
    ("timer", |connection, rest| {
        connection.set_timer(Duration::from_millis(rest.parse()?))?;
        Ok("ok".to_owned())
    }),
    // timer-clear MS
    ("timer-clear", |connection, rest| {
        let timer = connection.set_timer(Duration::from_millis(rest.parse()?))?;
        connection.clear_timer(timer);
        Ok("ok".to_owned())
    }),
    // buffered [TEXT]: sends the text and replies with the number of queued bytes
    ("buffered", |connection, rest| {
        if !rest.is_empty() {
            connection.send(rest)?;
        }
        Ok(connection.buffered_amount().to_string())
    }),
    // find CHANNEL
    ("find", |_, rest| Ok(Connection::find(rest).map_or("none", |_| "found").to_owned())),
    // send-many CHANNEL,CHANNEL… TEXT: sends to the connections of this instance and replies with the number that
    // accepted the text
    ("send-many", |_, rest| {
        let (channels, text) = split_first_word(rest);
        let found: Vec<_> = channels.split(',').filter_map(Connection::find).collect();
        Ok(send_many(&found, text).to_string())
    }),
];

/// Runs the command in a text and returns the reply.
pub(crate) fn run(connection: &Connection, text: &str) -> Result<String, Error> {
    let (word, rest) = split_first_word(text);
    let (_, command) = COMMANDS
        .iter()
        .find(|(name, _)| *name == word)
        .ok_or_else(|| Error::msg(format_args!("no command {word:?}")))?;
    command(connection, rest)
}

/// Sends numbered messages and frames alternately, so the receiver can check their order.
fn send_interleaved(group: &str, count: u32) -> Result<String, Error> {
    for number in 0..count {
        if number % 2 == 0 {
            ChannelLayer::group_send(group, &text_message(&number.to_string()))?;
        } else {
            ChannelLayer::group_send_frame(group, format!("frame: {number}"))?;
        }
    }
    Ok("ok".to_owned())
}

fn ok_reply(result: Result<(), ChannelLayerError>) -> Result<String, Error> {
    result?;
    Ok("ok".to_owned())
}

fn text_message(text: &str) -> Message {
    Message::Text { text: text.to_owned() }
}

fn parse_membership<'a>(connection: &'a Connection, rest: &'a str) -> (&'a str, &'a str) {
    rest.split_once(' ').unwrap_or((rest, connection.channel_name()))
}

fn split_first_word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}
