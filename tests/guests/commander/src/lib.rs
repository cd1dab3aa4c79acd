//! Runs the command in each text, on the channel layer or the connection. It replies with `ok`, the requested value, or
//! `error: ` and the error. The commands are in `commands.rs`.

mod commands;
mod hex;

use narrowboat_guest::prelude::*;

#[derive(Serialize, Deserialize)]
struct CommandConsumer;

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Message {
    #[serde(rename = "commander.text")]
    Text { text: String },
    #[serde(rename = "layer.disconnected")]
    Disconnected,
    #[serde(rename = "layer.reconnected")]
    Reconnected,
}

impl Consumer for CommandConsumer {
    type Message = Message;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(CommandConsumer))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        let reply =
            commands::run(connection, &text).unwrap_or_else(|error| format!("error: {error}"));
        Ok(connection.send(reply)?)
    }

    fn handle(&mut self, connection: &Connection, message: Message) -> Result<(), Error> {
        Ok(match message {
            Message::Text { text } => connection.send(format!("message: {text}")),
            Message::Disconnected => connection.send("layer lost"),
            Message::Reconnected => connection.send("layer back"),
        }?)
    }

    fn timer(&mut self, connection: &Connection, _: TimerId) -> Result<(), Error> {
        Ok(connection.send("fired")?)
    }

    fn disconnect(&mut self, connection: &Connection, close: CloseFrame) {
        info!("{} ended with {}", connection.channel_name(), close.code);
    }
}

narrowboat_guest::export!(CommandConsumer);
