//! A consumer that sends numbers to a worker of the same plugin, on the channel `office`. The worker doubles them.

use narrowboat_guest::prelude::*;

#[derive(Serialize, Deserialize)]
struct DoublingClient;

#[derive(Default)]
struct DoublingWorker;

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Message {
    #[serde(rename = "office.ask")]
    Ask { number: i64, reply_to: String },
    #[serde(rename = "office.answer")]
    Answer { number: i64 },
}

impl Consumer for DoublingClient {
    type Message = Message;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(DoublingClient))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        let reply_to = connection.channel_name().to_owned();
        Ok(ChannelLayer::send("office", &Message::Ask { number: text.parse()?, reply_to })?)
    }

    fn handle(&mut self, connection: &Connection, message: Message) -> Result<(), Error> {
        if let Message::Answer { number } = message {
            connection.send(number.to_string())?;
        }
        Ok(())
    }
}

impl Worker for DoublingWorker {
    type Message = Message;

    fn handle(&mut self, _: &str, message: Message) -> Result<(), Error> {
        if let Message::Ask { number, reply_to } = message {
            ChannelLayer::send(&reply_to, &Message::Answer { number: number * 2 })?;
        }
        Ok(())
    }
}

narrowboat_guest::export!(DoublingClient);
narrowboat_guest::export_worker!(DoublingWorker);
