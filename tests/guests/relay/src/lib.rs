//! Sends each text to the group x1. Every connection is a member of it.

use narrowboat_guest::prelude::*;

const GROUP: &str = "x1";

#[derive(Serialize, Deserialize)]
struct GroupRelay;

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Message {
    #[serde(rename = "xxx.ooo")]
    Text { text: String },
}

impl Consumer for GroupRelay {
    type Message = Message;

    const GROUPS: &'static [&'static str] = &[GROUP];

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(GroupRelay))
    }

    fn receive_text(&mut self, _: &Connection, text: String) -> Result<(), Error> {
        Ok(ChannelLayer::group_send(GROUP, &Message::Text { text })?)
    }

    fn handle(&mut self, connection: &Connection, message: Message) -> Result<(), Error> {
        let Message::Text { text } = message;
        Ok(connection.send(text)?)
    }
}

narrowboat_guest::export!(GroupRelay);
